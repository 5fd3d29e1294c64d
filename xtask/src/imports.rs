//! The rules of what may import what (DESIGN: imports run downwards only), checked on the source text.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Outcome, root};

/// What each module of the crate may name of the others.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("config", &["error"]),
    ("observe", &["error"]),
    ("device", &["error", "config"]),
    ("memory", &["error", "config", "device"]),
    ("column", &["error", "config", "device", "memory"]),
    ("worker", &["error", "config", "device", "memory", "column"]),
    // Pure: it knows how columns are stored, and neither devices nor workers.
    ("program", &["error", "column"]),
    ("operators", &["error", "config", "device", "memory", "column", "worker", "program"]),
    ("plan", &["error", "config", "observe", "device", "memory", "column", "worker", "program", "operators"]),
    ("session", &["error", "config", "observe", "device", "plan"]),
    ("array", &["error", "config", "observe", "plan", "session"]),
    ("bench", &["error", "config", "observe", "session"]),
    ("operator_bench", &["error", "config", "session", "bench"]),
    ("calibrate", &["error", "config", "device", "worker", "plan", "session", "bench", "operator_bench"]),
    ("tpch", &["error", "config", "observe", "session", "bench"]),
    ("tpcds", &["error", "bench"]),
    ("h2o", &["error", "bench"]),
    ("clickbench", &["error", "bench"]),
    (
        "cli",
        &[
            "error",
            "config",
            "observe",
            "device",
            "session",
            "bench",
            "operator_bench",
            "calibrate",
            "tpch",
            "tpcds",
            "h2o",
            "clickbench",
        ],
    ),
];

/// Crates that only some modules may name.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("cudarc", &["device"]),
    ("datafusion", &["plan", "session", "array", "bench", "operator_bench", "calibrate", "tpch", "cli"]),
];

pub fn run() -> Outcome {
    let source = root().join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files)
        .map_err(|error| format!("cannot read '{}': {error}", source.display()))?;
    let mut broken = Vec::new();
    for file in &files {
        let path = file.strip_prefix(&source).expect("was found there");
        let first = path.iter().next().expect("has a name").to_string_lossy();
        let module = first.strip_suffix(".rs").unwrap_or(&first);
        if matches!(module, "lib" | "main") {
            continue;
        }
        let text =
            fs::read_to_string(file).map_err(|error| format!("cannot read '{}': {error}", file.display()))?;
        let shown = format!("src/{}", path.display());
        broken.extend(
            check(module, depth(path), &text)
                .into_iter()
                .map(|(line, rule)| format!("{shown}:{line}: {rule}")),
        );
    }
    match broken.is_empty() {
        true => Ok(()),
        false => Err(broken.join("\n")),
    }
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// How many modules lie between the crate's root and the code of a file below `src`, itself included.
fn depth(path: &Path) -> usize {
    let own = if path.file_stem().is_some_and(|stem| stem == "mod") { 0 } else { 1 };
    path.components().count() - 1 + own
}

/// The rules that a file of `module`, `depth` modules below the root, breaks, with their lines.
fn check(module: &str, depth: usize, text: &str) -> Vec<(usize, String)> {
    let code: String = text.lines().map(|line| format!("{}\n", without_comment(line))).collect();
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
        return vec![(1, format!("module '{module}' has no rule in xtask/src/imports.rs"))];
    };
    let mut broken = Vec::new();
    // As many steps up as the file is deep lead to the root too.
    let by_steps = names_after(&code, &"super::".repeat(depth));
    for (position, name) in names_after(&code, "crate::").into_iter().chain(by_steps) {
        let is_module = MAY_IMPORT.iter().any(|(known, _)| *known == name);
        if is_module && name != module && !allowed.contains(&name.as_str()) {
            broken.push((line_of(&code, position), format!("{module} must not import {name}")));
        }
    }
    for (crate_name, modules) in MAY_NAME {
        if !modules.contains(&module) {
            let named = ["::", " as ", ";"].map(|after| format!("{crate_name}{after}"));
            for (position, _) in named.iter().flat_map(|name| code.match_indices(name.as_str())) {
                broken.push((line_of(&code, position), format!("{module} must not name {crate_name}")));
            }
        }
    }
    broken
}

/// The names that follow each `prefix`: one, or those of a braced group.
fn names_after(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut names = Vec::new();
    for (position, _) in code.match_indices(prefix) {
        let before = code[..position].chars().next_back();
        if before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$')) {
            continue;
        }
        let rest = &code[position + prefix.len()..];
        match rest.strip_prefix('{') {
            None => names.push((position, identifier(rest))),
            Some(group) => {
                let mut depth = 0;
                let mut at_start = true;
                for (offset, letter) in group.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => at_start = true,
                        _ if letter.is_whitespace() => {}
                        _ if at_start => {
                            names.push((position, identifier(&group[offset..])));
                            at_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

fn line_of(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

/// A line without its `//` comment. A `//` within a string cuts the line too short, which hides no import.
fn without_comment(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_imports_upwards() {
        let broken =
            check("memory", 1, "use crate::device::Stream;\nuse crate::{Error, plan::Engine, column};\n");
        let rules: Vec<&str> = broken.iter().map(|(_, rule)| rule.as_str()).collect();
        assert_eq!(rules, ["memory must not import plan", "memory must not import column"]);
        assert_eq!(broken[0].0, 2);
        assert_eq!(check("program", 1, "fn f() { crate::worker::run() }").len(), 1);
    }

    #[test]
    fn finds_steps_up_to_the_root() {
        assert_eq!(depth(Path::new("memory/budget.rs")), 2);
        assert_eq!(depth(Path::new("memory/mod.rs")), 1);
        assert_eq!(depth(Path::new("config.rs")), 1);
        assert_eq!(check("memory", 2, "use super::super::plan::Engine;\n").len(), 1);
        assert!(
            check("memory", 2, "use super::plan::Engine;\nuse super::super::device::Device;\n").is_empty()
        );
    }

    #[test]
    fn finds_crates_out_of_place() {
        assert_eq!(check("worker", 1, "use cudarc::driver;\nuse datafusion::prelude::*;").len(), 2);
        assert_eq!(check("worker", 1, "use cudarc as driver;\nextern crate datafusion;").len(), 2);
        assert!(check("device", 1, "use cudarc::driver;").is_empty());
    }

    #[test]
    fn comments_do_not_count() {
        assert!(check("device", 1, "/// As [`crate::worker::Worker`].\n// use crate::plan;\n").is_empty());
    }
}
