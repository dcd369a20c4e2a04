//! A tar archive of a few small files, in the `ustar` form of POSIX.1-1988.

use std::io::{self, Write};

/// Header and content are padded to this.
const BLOCK: usize = 512;
/// Where the name ends, and where the sum of the header stands.
const NAME_BYTES_MAX: usize = 100;
const SUM: std::ops::Range<usize> = 148..156;

/// Writes files, which belong to nobody and have no time.
///
/// # Errors
/// What `out` says; a name or a content that the form cannot hold.
pub(super) fn write(files: &[(String, Vec<u8>)], out: &mut impl Write) -> io::Result<()> {
    for (name, content) in files {
        out.write_all(&header(name, content.len())?)?;
        out.write_all(content)?;
        out.write_all(&vec![0; content.len().next_multiple_of(BLOCK) - content.len()])?;
    }
    out.write_all(&[0; 2 * BLOCK])
}

fn header(name: &str, bytes: usize) -> io::Result<[u8; BLOCK]> {
    if name.len() > NAME_BYTES_MAX {
        return Err(io::Error::other(format!("name {name:?} is too long for a tar archive")));
    }
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        for (to, from) in header.iter_mut().skip(at).zip(text) {
            *to = *from;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The sum counts its own place as spaces.
    put(SUM.start, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}
