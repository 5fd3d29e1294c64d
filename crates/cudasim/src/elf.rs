//! The little of the ELF format that is needed: how long an image is, and giving a shared library
//! another SONAME.

/// The SONAME that the build script gives the library, to be replaced by the loader.
pub const UNNAMED: &str = "libcudasim-before-naming.so";

const SECTION_TABLE_OFFSET: usize = 0x28;
const SECTION_ENTRY_SIZE: usize = 0x3a;
const SECTION_COUNT: usize = 0x3c;
const HEADER_SIZE: usize = 64;
const MACHINE: usize = 18;
const MACHINE_X86_64: u64 = 62;

/// Reads a little-endian number of `length` bytes.
fn number(bytes: &[u8], offset: usize, length: usize) -> u64 {
    bytes[offset..offset + length].iter().rev().fold(0, |value, byte| value << 8 | *byte as u64)
}

/// The length of an x86-64 ELF file from its header: the table of sections is its last part. `None` if
/// the bytes do not start such a file.
pub fn file_size(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < HEADER_SIZE || &bytes[..4] != b"\x7fELF" || number(bytes, MACHINE, 2) != MACHINE_X86_64 {
        return None;
    }
    let entries = number(bytes, SECTION_ENTRY_SIZE, 2) * number(bytes, SECTION_COUNT, 2);
    usize::try_from(number(bytes, SECTION_TABLE_OFFSET, 8).checked_add(entries)?).ok()
}

/// The bytes of an image of unknown length, if it is an ELF file for this machine.
///
/// # Safety
/// `image` must point to at least four readable bytes, and to a whole file if they are those of ELF.
pub unsafe fn image_at<'a>(image: *const u8) -> Option<&'a [u8]> {
    // SAFETY: as promised by the caller.
    unsafe {
        if std::slice::from_raw_parts(image, 4) != b"\x7fELF" {
            return None;
        }
        let size = file_size(std::slice::from_raw_parts(image, HEADER_SIZE))?;
        Some(std::slice::from_raw_parts(image, size))
    }
}

/// Replaces the SONAME given by the build script. The new name takes its place in the string table,
/// ended by a zero, so it must not be longer.
///
/// # Errors
/// A message, if the library does not have that SONAME.
pub fn rename(library: &mut [u8], soname: &str) -> Result<(), String> {
    assert!(soname.len() <= UNNAMED.len(), "{soname} does not fit");
    let wanted: Vec<u8> = UNNAMED.bytes().chain([0]).collect();
    // The name may also be a string constant of the program itself, so the first match that is
    // followed by a zero is the one in the string table, which precedes all data.
    let position = library
        .windows(wanted.len())
        .position(|window| window == wanted)
        .ok_or_else(|| format!("the library has no SONAME {UNNAMED}"))?;
    let place = &mut library[position..position + wanted.len()];
    place.fill(0);
    place[..soname.len()].copy_from_slice(soname.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renaming_replaces_the_whole_string() {
        let mut library = [b"\0x\0".as_slice(), UNNAMED.as_bytes(), b"\0rest"].concat();
        let length = library.len();
        rename(&mut library, "libcuda.so").unwrap_or_else(|message| panic!("{message}"));
        assert_eq!(&library[3..14], b"libcuda.so\0");
        assert_eq!(library.len(), length);
        assert!(rename(&mut library, "libcuda.so").is_err());
    }

    #[test]
    fn other_bytes_have_no_size() {
        assert_eq!(file_size(b"//CUDASIM"), None);
        assert_eq!(file_size(&[0; 100]), None);
    }
}
