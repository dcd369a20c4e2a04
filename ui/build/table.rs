//! The table of files, as Rust that the crate includes. Files are copied beside it first: a build of
//! the app that runs meanwhile changes nothing under the compiler's eyes.

#![expect(clippy::disallowed_methods, reason = "files of the build, in folders of cargo and npm")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::app::{FNV_START, files, fnv1a, read};

/// What the server writes into the page; a page without them would be served broken.
const PLACES: [&str; 2] = ["<meta name=\"csp-nonce\" content=\"", "<base href=\""];

/// Writes `pages.rs` and copies the files of `folder` to `out/pages`.
pub(crate) fn write(folder: &Path, out: &Path, built: bool) -> Result<(), String> {
    let copies = out.join("pages");
    if copies.exists() {
        fs::remove_dir_all(&copies).map_err(|e| format!("remove {}: {e}", copies.display()))?;
    }
    let mut rows = String::new();
    for (name, path) in named(folder)? {
        copy(&path, &copies.join(&name))?;
        if name == "index.html" {
            check_index(&path)?;
        } else if !is_encoding(&path) {
            row(&mut rows, folder, &name, &path)?;
        }
    }
    let built = format!(
        "/// Whether the app is in this binary, or a page that says that it is missing.\n\
         pub const BUILT: bool = {built};\n\
         pub(crate) static INDEX: &str = include_str!(concat!(env!(\"OUT_DIR\"), \"/pages/index.html\"));\n\
         pub(crate) static FILES: &[files::File] = &[\n{rows}];\n"
    );
    let path = out.join("pages.rs");
    fs::write(&path, built).map_err(|e| format!("write {}: {e}", path.display()))
}

/// Lists the files with their names below the folder, sorted; none whose name begins with a dot.
fn named(folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let mut named = Vec::new();
    for path in files(folder)? {
        let name = path.strip_prefix(folder).map_err(|e| e.to_string())?;
        let name = name.to_str().ok_or_else(|| format!("{}: not UTF-8", path.display()))?;
        if !name.split('/').any(|part| part.starts_with('.')) {
            named.push((name.to_owned(), path));
        }
    }
    named.sort();
    Ok(named)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let folder = to.parent().unwrap_or(to);
    let copied = fs::create_dir_all(folder).and_then(|()| fs::copy(from, to));
    copied.map(|_| ()).map_err(|e| format!("copy {}: {e}", from.display()))
}

fn check_index(path: &Path) -> Result<(), String> {
    let text = String::from_utf8_lossy(&read(path)?).into_owned();
    let missing = PLACES.iter().find(|place| text.matches(**place).count() != 1);
    missing.map_or(Ok(()), |place| Err(format!("{}: want one {place}…", path.display())))
}

/// Returns whether a file is another encoding of the file beside it.
fn is_encoding(path: &Path) -> bool {
    let encoded = path.extension().is_some_and(|e| e == "br" || e == "gz");
    encoded && path.with_extension("").exists()
}

fn row(rows: &mut String, folder: &Path, name: &str, path: &Path) -> Result<(), String> {
    let tag = fnv1a(FNV_START, &read(path)?);
    let bytes = |name: &str| {
        format!("include_bytes!(concat!(env!(\"OUT_DIR\"), {:?}))", format!("/pages/{name}"))
    };
    let encoded = |extension: &str| {
        let name = format!("{name}.{extension}");
        // A short file may be longer when compressed.
        let size = |path: &Path| fs::metadata(path).map(|meta| meta.len());
        let is_shorter = size(&folder.join(&name)).is_ok_and(|n| size(path).is_ok_and(|of| n < of));
        if is_shorter { format!("Some({})", bytes(&name)) } else { "None".to_owned() }
    };
    let (raw, br, gz) = (bytes(name), encoded("br"), encoded("gz"));
    let kind = kind(name);
    let row = writeln!(
        rows,
        "files::File {{ path: {name:?}, kind: {kind:?}, tag: \"{tag:016x}\", raw: {raw}, br: {br}, gz: {gz} }},"
    );
    row.map_err(|e| e.to_string())
}

/// Returns the media type of a file by its name.
fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "md" | "txt" => "text/plain; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
