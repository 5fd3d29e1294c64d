//! Arrays as text and as HTML.

use swath_array::error::show_shape;
use swath_array::{Array, Scalar, Tensor};

use super::convert::row;

/// More elements than this are shown by their first and last.
const SHOWN_MAX: usize = 1000;

/// How many are shown at each end of an axis that is too long.
const EDGE: usize = 3;

/// `swath.Array([1, 2], dtype=int64)` where values are known, `swath.Array(shape=(3, 4), ...)` otherwise.
pub fn repr(array: &Array) -> String {
    match array.value() {
        Some(value) if !value.is_empty() => {
            let indent = " ".repeat("swath.Array(".len());
            format!("swath.Array({}, dtype={})", values(value, &indent), array.dtype())
        }
        _ => {
            let (shape, chunks) = (show_shape(array.shape()), show_shape(array.chunks()));
            let (dtype, bytes) = (array.dtype(), array.bytes());
            format!("swath.Array(shape={shape}, dtype={dtype}, chunks={chunks}, bytes={bytes})")
        }
    }
}

fn values(tensor: &Tensor, indent: &str) -> String {
    let mut out = String::new();
    write(tensor, tensor.len() > SHOWN_MAX, indent, &mut out);
    out
}

fn write(tensor: &Tensor, shortened: bool, indent: &str, out: &mut String) {
    let Some(&len) = tensor.shape().first() else {
        out.push_str(&tensor.item().map_or(String::new(), show));
        return;
    };
    let between = match tensor.ndim() {
        1 => ", ".to_string(),
        more => format!(",{}{indent} ", "\n".repeat(more - 1)),
    };
    let deeper = format!("{indent} ");
    out.push('[');
    for index in 0..len {
        if shortened && len > 2 * EDGE && (EDGE..len - EDGE).contains(&index) {
            if index == EDGE {
                out.push_str(&between);
                out.push_str("...");
            }
            continue;
        }
        if index > 0 {
            out.push_str(&between);
        }
        write(&row(tensor, index), shortened, &deeper, out);
    }
    out.push(']');
}

fn show(value: Scalar) -> String {
    match value {
        Scalar::Bool(true) => "True".to_string(),
        Scalar::Bool(false) => "False".to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => float(value),
        Scalar::Complex(value) => {
            let sign = if value.im.is_sign_negative() { "" } else { "+" };
            format!("{}{sign}{}j", float(value.re), float(value.im))
        }
    }
}

fn float(value: f64) -> String {
    match value {
        value if value.is_nan() => "nan".to_string(),
        value if value.is_infinite() => if value > 0.0 { "inf" } else { "-inf" }.to_string(),
        value if value == 0.0 || (1e-4..1e16).contains(&value.abs()) => {
            let text = format!("{value}");
            if text.contains('.') { text } else { text + ".0" }
        }
        value => format!("{value:e}"),
    }
}

/// A table of what an array is, and a picture of its chunks.
pub fn html(array: &Array) -> String {
    let counts = array.chunk_counts();
    let count: usize = counts.iter().product();
    let chunk_bytes = array.chunks().iter().product::<usize>() * array.dtype().size();
    let rows = [
        ("Bytes", bytes(array.bytes()), bytes(chunk_bytes as u128)),
        ("Shape", show_shape(array.shape()), show_shape(array.chunks())),
        ("Count", "1 array".to_string(), format!("{count} chunk{}", if count == 1 { "" } else { "s" })),
        ("Type", array.dtype().to_string(), String::new()),
    ];
    let mut table = "<table><thead><tr><th></th><th>Array</th><th>Chunk</th></tr></thead><tbody>".to_string();
    for (name, whole, chunk) in rows {
        table.push_str(&format!("<tr><th>{name}</th><td>{whole}</td><td>{chunk}</td></tr>"));
    }
    table.push_str("</tbody></table>");
    table + &picture(array.shape(), &counts)
}

/// The last two axes as a rectangle with the cuts of their chunks.
fn picture(shape: &[usize], counts: &[usize]) -> String {
    const SIDE: f64 = 120.0;
    const LINES_MAX: usize = 20;
    let last = |values: &[usize], back: usize| match values.len().checked_sub(back) {
        Some(axis) => values[axis].max(1),
        None => 1,
    };
    let (height, width) = (last(shape, 2) as f64, last(shape, 1) as f64);
    let longest = height.max(width);
    // A side of a very flat array is still seen.
    let side = |len: f64| (len / longest * SIDE).max(SIDE / 8.0);
    let (height, width) = (side(height), side(width));
    let mut lines = String::new();
    for (count, is_row) in [(last(counts, 2), true), (last(counts, 1), false)] {
        let drawn = count.min(LINES_MAX);
        for cut in 0..=drawn {
            let part = cut as f64 / drawn as f64;
            let (x1, y1, x2, y2) = match is_row {
                true => (0.0, part * height, width, part * height),
                false => (part * width, 0.0, part * width, height),
            };
            lines.push_str(&format!("<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"));
        }
    }
    format!(
        "<svg width=\"{:.0}\" height=\"{:.0}\" style=\"stroke:rgb(0,0,0);stroke-width:1\">\
         <rect width=\"{width:.1}\" height=\"{height:.1}\" style=\"fill:#ecb172\"/>{lines}</svg>",
        width + 2.0,
        height + 2.0
    )
}

/// A count of bytes in the unit that suits it.
pub fn bytes(count: u128) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.2} {}", units[unit]) }
}
