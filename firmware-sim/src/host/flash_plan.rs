//! The steps that put firmware and a model on a board.

use std::fmt;
use std::path::{Path, PathBuf};

use super::boards::{BoardError, BoardInfo, FlashTool, ModelRegion};

/// Where firmware finds its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelPlace<'p> {
    /// Inside the program.
    Inside {
        /// The model file.
        model: &'p Path,
        /// A file of saved latents to build in.
        latents: Option<&'p Path>,
    },
    /// In a region of flash that is written separately.
    Region(ModelRegion),
}

impl ModelPlace<'_> {
    /// The environment variables that the build script of the board packages reads.
    pub const VARIABLES: [&'static str; 3] = ["GANLET_MODEL", "GANLET_LATENTS", "GANLET_REGION"];

    /// Returns the names and values of the variables for this place.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let [model_name, latents_name, region_name] = Self::VARIABLES;
        match self {
            Self::Inside { model, latents } => {
                let latents = latents.map(|path| (latents_name, path.display().to_string()));
                std::iter::once((model_name, model.display().to_string())).chain(latents).collect()
            }
            Self::Region(ModelRegion { at, bytes, arena }) => vec![(region_name, format!("{at},{bytes},{arena}"))],
        }
    }
}

/// A program and its arguments. Displays as a command line for a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The program.
    pub program: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        self.arguments.iter().try_for_each(|word| write!(f, " {}", quoted(word)))
    }
}

/// Puts a word in single quotes if a shell needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

impl FlashTool {
    /// Returns the name of the program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::ProbeRs(_) | Self::ProbeRsIdf(_) => "probe-rs",
            Self::OpenOcd(_) => "openocd",
        }
    }

    /// Returns the commands that write a file to flash, verify it and restart the board.
    ///
    /// `file` is a linked program. If there is an `address`, `file` contains the raw bytes for that address.
    #[must_use]
    pub fn commands(self, file: &Path, address: Option<usize>) -> Vec<CommandLine> {
        let file = file.display().to_string();
        let line = |words: &[&str]| CommandLine {
            program: self.program(),
            arguments: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        match (self, address) {
            (Self::ProbeRs(chip), None) => {
                vec![line(&["download", "--chip", chip, "--verify", &file]), line(&["reset", "--chip", chip])]
            }
            (Self::ProbeRs(chip), Some(address)) => {
                let at = format!("{address:#x}");
                let words =
                    ["download", "--chip", chip, "--verify", "--binary-format", "bin", "--base-address", &at, &file];
                vec![line(&words), line(&["reset", "--chip", chip])]
            }
            (Self::ProbeRsIdf(chip), _) => {
                let words = ["download", "--chip", chip, "--binary-format", "idf", &file];
                vec![line(&words), line(&["reset", "--chip", chip])]
            }
            (Self::OpenOcd(board), address) => {
                let at = address.map_or_else(String::new, |address| format!(" {address:#x}"));
                vec![line(&["-f", board, "-c", &format!("program {{{file}}}{at} verify reset exit")])]
            }
        }
    }

    /// Returns where to get the program.
    #[must_use]
    pub const fn installation(self) -> &'static str {
        match self {
            Self::ProbeRs(_) | Self::ProbeRsIdf(_) => "https://probe.rs/docs/getting-started/installation",
            Self::OpenOcd(_) => "apt-get install openocd, or https://openocd.org",
        }
    }

    /// Returns what to check if flashing failed.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::ProbeRs(_) | Self::ProbeRsIdf(_) => {
                "does `probe-rs list` show a probe? On Linux its udev rules must be installed: \
                 https://probe.rs/docs/getting-started/probe-setup"
            }
            Self::OpenOcd(_) => {
                "may this user open its USB device? On Linux the udev rules of OpenOCD must be installed"
            }
        }
    }
}

/// How firmware reaches a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashRoute<'p> {
    /// Through the debug port, by the board's [`FlashTool`].
    DebugPort,
    /// A UF2 file that the user copies to the boot loader's drive.
    Uf2 {
        /// The family ID of the boot loader.
        family: u32,
        /// The file to write.
        file: &'p Path,
    },
}

impl<'p> FlashRoute<'p> {
    /// Returns the route to a board: UF2 if a file is given, otherwise the debug port.
    ///
    /// # Errors
    /// [`BoardError::NoUf2`] if a file is given and the board has no UF2 boot loader.
    pub fn new(board: &BoardInfo, uf2: Option<&'p Path>) -> Result<Self, BoardError> {
        match uf2 {
            Some(file) => Ok(Self::Uf2 { family: board.uf2_family()?, file }),
            None => Ok(Self::DebugPort),
        }
    }
}

/// What to write to a board.
#[derive(Clone, Copy, Debug)]
pub struct FlashPlan<'p> {
    /// The board.
    pub board: &'static BoardInfo,
    /// The model file.
    pub model: &'p Path,
    /// A file of saved latents to build in.
    pub latents: Option<&'p Path>,
    /// The region that the model is written to; `None` to build it into the program.
    pub region: Option<ModelRegion>,
    /// Whether the program is built and written. If `false`, only the model in its region is replaced.
    pub program: bool,
}

impl<'p> FlashPlan<'p> {
    /// Returns where the firmware finds the model.
    #[must_use]
    pub fn place(&self) -> ModelPlace<'p> {
        let inside = ModelPlace::Inside { model: self.model, latents: self.latents };
        self.region.map_or(inside, ModelPlace::Region)
    }

    /// Returns the commands that write a linked program, if there is one, and the model to the board through its debug port.
    #[must_use]
    pub fn commands(&self, program: Option<&Path>) -> Vec<CommandLine> {
        let program = program.map(|file| (file, None));
        let model = self.region.map(|region| (self.model, Some(region.at)));
        let files = program.into_iter().chain(model);
        files.flat_map(|(file, address)| self.board.tool.commands(file, address)).collect()
    }

    /// Returns every step of the plan as a numbered list that can also be carried out by hand.
    #[must_use]
    pub fn steps(&self, route: FlashRoute<'_>) -> String {
        let BoardInfo { name, target, .. } = self.board;
        let linked = PathBuf::from(format!("target/device/firmware-{name}.elf"));
        let mut steps = Vec::new();
        if self.program {
            let variables = self.place().variables();
            let variables: String = variables.iter().map(|(key, value)| format!("{key}={} ", quoted(value))).collect();
            steps.push(format!(
                "in firmware-sim/boards/{name}: {variables}cargo build --release --locked --target {target}"
            ));
            steps.push(format!(
                "copy firmware-sim/boards/{name}/target/{target}/release/firmware to {}",
                linked.display()
            ));
        }
        match route {
            FlashRoute::Uf2 { family, file } => {
                let with = self.region.map_or(String::new(), |region| format!(", with the model at {:#x}", region.at));
                steps.push(format!("write {} for the family {family:#010x}{with}", file.display()));
                steps.push("by hand: hold BOOTSEL, plug the board in, copy the file to its drive".to_owned());
            }
            FlashRoute::DebugPort => {
                let commands = self.commands(self.program.then_some(&linked));
                steps.extend(commands.iter().map(CommandLine::to_string));
            }
        }
        (1..).zip(steps).map(|(number, step)| format!("{number}. {step}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted_for_a_shell() {
        let board = BoardInfo::named("lm3s6965evb").unwrap();
        let lines = board.tool.commands(Path::new("it's.elf"), Some(0x100));
        let shown = "openocd -f board/ek-lm3s6965.cfg -c 'program {it'\\''s.elf} 0x100 verify reset exit'";
        assert_eq!(lines.iter().map(CommandLine::to_string).collect::<Vec<_>>(), [shown]);
    }

    #[test]
    fn a_plan_for_the_model_alone_builds_nothing() {
        let board = BoardInfo::named("pico2").unwrap();
        let region = Some(board.region().unwrap());
        let plan = FlashPlan { board, model: Path::new("my.model"), latents: None, region, program: false };
        let steps = plan.steps(FlashRoute::DebugPort);
        assert!(!steps.contains("cargo build") && steps.contains("--base-address 0x10014000 my.model"), "{steps}");
        let uf2 = FlashRoute::new(board, Some(Path::new("my.uf2"))).unwrap();
        assert!(plan.steps(uf2).contains("0xe48bff59"));
        assert!(FlashRoute::new(BoardInfo::named("stm32f405").unwrap(), Some(Path::new("my.uf2"))).is_err());
    }
}
