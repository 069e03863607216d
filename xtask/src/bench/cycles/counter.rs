//! Builds the plugin that counts executions in QEMU, and reads what it writes.

use crate::failure::Failure;
use crate::firmware::bench::lock;
use crate::process::{folder, root};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Executions by address of the instruction: how often it was executed, and how often the program continued elsewhere than after it.
pub(super) type Executions = BTreeMap<u64, [u64; 2]>;

/// Executions in the pieces of the firmware between reads of its clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// A piece without work.
    pub(super) empty: Executions,
    /// The two loops that calibrate the clock, which differ by [`LOOPS`](super::LOOPS) iterations.
    pub(super) short_loop: Executions,
    pub(super) long_loop: Executions,
    /// The rows of the image.
    pub(super) image: Executions,
}

impl Pieces {
    /// Reads the file that the plugin wrote.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|e| Failure::file(path, e))?;
        Self::parse(&text)
            .ok_or_else(|| Failure::file(path, "the plugin of QEMU wrote an incomplete file; run the command again"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut pieces = Self::default();
        for line in text.lines() {
            let mut words = line.split(' ');
            let piece = match words.next()? {
                "empty" => &mut pieces.empty,
                "short-loop" => &mut pieces.short_loop,
                "long-loop" => &mut pieces.long_loop,
                "image" => &mut pieces.image,
                _ => continue,
            };
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            piece.insert(address, [words.next()?.parse().ok()?, words.next()?.parse().ok()?]);
        }
        (!pieces.image.is_empty()).then_some(pieces)
    }
}

/// Builds the plugin with the compiler of this program; returns its path.
pub(crate) fn build_plugin() -> Result<PathBuf, Failure> {
    let package = root().join("firmware-sim/counter");
    let target = root().join("target/cross/counter");
    let _lock = lock(&folder()?.join("counter.lock"))?;
    let failed =
        |why: String| Failure::failed(format!("{}: cannot build the plugin of QEMU: {why}", package.display()));
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--locked", "--quiet"]).current_dir(&package).env("CARGO_TARGET_DIR", &target);
    // The flags of this process's own build do not apply to the plugin.
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("RUSTFLAGS").env_remove("CARGO_BUILD_TARGET");
    let output = command.stdin(Stdio::null()).output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(target.join("release").join(format!(
        "{}ganlet_instruction_counter{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    )))
}

/// QEMU's arguments to run `plugin`, which writes to `out`.
pub(crate) fn arguments(plugin: &Path, out: &Path) -> [String; 2] {
    // QEMU separates options by commas; a doubled comma is part of the file name.
    let escaped = |path: &Path| path.to_string_lossy().replace(',', ",,");
    ["-plugin".to_owned(), format!("file={},out={}", escaped(plugin), escaped(out))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_s_file_is_parsed_by_piece() {
        let pieces = Pieces::parse("image 10 5 4\nload 10 7 0\nempty 1a 1 0\nimage 12 5 1\n").unwrap();
        assert_eq!(pieces.image, Executions::from([(0x10, [5, 4]), (0x12, [5, 1])]));
        assert_eq!(pieces.empty, Executions::from([(0x1A, [1, 0])]));
        assert!(Pieces::parse("").is_none() && Pieces::parse("image 10 5").is_none());
    }
}
