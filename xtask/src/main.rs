//! `cargo xtask`: the command line of the project, one file per command.
#![forbid(unsafe_code)]

mod bench;
mod builtin;
mod console;
mod data;
mod demo;
mod doctor;
mod emulate;
mod eval;
mod export;
mod failure;
mod firmware;
mod fit_steps;
mod fitting;
mod flash;
mod image_file;
mod inspect;
mod lab;
mod latent;
mod model_file;
mod opening;
mod process;
mod profile;
mod report;
mod seeds;
mod sim;
mod size;
mod table;
mod test;
mod toolchain;
mod train;
mod training;
mod verdict;

use clap::error::ContextKind;
use clap::{Parser, Subcommand};
use failure::Failure;
use ganlet_trainer::simd::{ISA_VARIABLE, limit_instruction_set};
use std::panic;
use std::process::ExitCode;

const EXAMPLES: &str = "\
From training data to an emulated device:
  cargo xtask demo --out out                             everything in one command, five to ten minutes
or step by step:
  cargo xtask train faces --minutes 5                    creates a run folder such as runs/00001-faces
  cargo xtask export runs/00001-faces --out faces.model  quantizes the generator to int8
  cargo xtask inspect faces.model                        lists its layers, flash, RAM, and the devices it fits
  cargo xtask sim faces.model --device oled-128x64       draws its images on an emulated display
  cargo xtask emulate faces.model --board lm3s6965evb    runs the board's firmware in QEMU

`cargo xtask COMMAND --help` explains a command and shows examples.";

/// Train a GAN on your own machine, quantize its generator to int8, and run it on a microcontroller
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", after_help = EXAMPLES, max_term_width = 110)]
struct Xtask {
    #[command(subcommand)]
    command: Command,
    /// Limit the trainer's kernels to an instruction set: avx512, avx2, neon or portable [default: the widest; or GANLET_ISA in the
    /// environment]
    #[arg(long, global = true, value_name = "SET", help_heading = "Processor")]
    isa: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Args),
    Train(train::Args),
    Data(data::Args),
    Eval(eval::Args),
    Lab(lab::Args),
    Grid(latent::grid::Args),
    Curate(latent::curate::Args),
    Interpolate(latent::interpolate::Args),
    Project(latent::project::Args),
    Edit(latent::edit::Args),
    Export(export::Args),
    Report(report::Args),
    Inspect(inspect::Args),
    Sim(sim::Args),
    Emulate(emulate::Args),
    Flash(flash::Args),
    Bench(bench::Args),
    Size(size::Args),
    Test(test::Args),
    Doctor(doctor::Args),
}

/// Limits the kernels of this process to the instruction set of `--isa` or of the environment.
fn limit_instructions(isa: Option<&str>) -> Result<(), Failure> {
    let variable = std::env::var(ISA_VARIABLE).ok().filter(|id| !id.is_empty());
    let (origin, Some(id)) = (if isa.is_some() { "--isa" } else { ISA_VARIABLE }, isa.or(variable.as_deref())) else {
        return Ok(());
    };
    limit_instruction_set(id).map_err(|e| Failure::unusable(format!("{origin}: {e}")))
}

fn run(Xtask { command, isa }: Xtask) -> Result<(), Failure> {
    limit_instructions(isa.as_deref())?;
    match command {
        Command::Demo(args) => demo::run(args),
        Command::Train(args) => train::run(args),
        Command::Data(args) => data::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Lab(args) => lab::run(args),
        Command::Grid(args) => latent::grid::run(args),
        Command::Curate(args) => latent::curate::run(args),
        Command::Interpolate(args) => latent::interpolate::run(args),
        Command::Project(args) => latent::project::run(args),
        Command::Edit(args) => latent::edit::run(args),
        Command::Export(args) => export::run(args),
        Command::Report(args) => report::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Sim(args) => sim::run(args),
        Command::Emulate(args) => emulate::run(args),
        Command::Flash(args) => flash::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Size(args) => size::run(args),
        Command::Test(args) => test::run(args),
        Command::Doctor(args) => doctor::run(args),
    }
}

/// Prints help, or what is wrong with the command line; an argument may be a file's name with control characters.
fn misused(error: &clap::Error) -> ExitCode {
    let text = error.to_string();
    let shown = console::rendered(&text);
    // Text without control characters can be printed with clap's styles.
    if shown == text {
        // If the stream is closed, there is nowhere to report that.
        let _ = error.print();
    } else {
        console::note(shown.trim_end());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(failure::UNUSABLE))
}

fn main() -> ExitCode {
    let xtask = match Xtask::try_parse() {
        Ok(xtask) => xtask,
        Err(mut e) => {
            // This tip, to write `-- --option`, is wrong for every command: none takes a word that begins with a hyphen.
            e.remove(ContextKind::Suggested);
            return misused(&e);
        }
    };
    panic::set_hook(Box::new(|defect| {
        console::complain(&format!("internal error, a bug in ganlet: {defect}\nPlease report this line."));
    }));
    match panic::catch_unwind(|| run(xtask)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            if !failure.message.is_empty() {
                console::complain(&failure.message);
            }
            ExitCode::from(failure.code)
        }
        Err(_) => ExitCode::from(failure::FAILED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::error::ErrorKind;
    use ganlet_trainer::recipe::{METHODS, Recipe};
    use std::path::{Path, PathBuf};

    /// Returns the Markdown pages of the project.
    fn pages() -> Vec<PathBuf> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let in_folder = |folder: &str| std::fs::read_dir(root.join(folder)).unwrap().map(|e| e.unwrap().path());
        let all = ["", "docs", "docs/methods"].into_iter().flat_map(in_folder);
        all.filter(|p| p.extension().is_some_and(|e| e == "md")).collect()
    }

    /// Returns the command in a line of code, without the explanation and the redirection after it.
    fn typed(code: &str) -> Option<&str> {
        let command = code.strip_prefix("cargo ").unwrap_or(code);
        let end = ["  ", " #", " > "].iter().filter_map(|mark| command.find(mark)).min().unwrap_or(command.len());
        (command.starts_with("xtask ") && !command.contains('…')).then(|| &command[..end])
    }

    /// Splits a command into words as a shell does.
    fn words(command: &str) -> Vec<String> {
        let (mut all, mut quote) = (vec![String::new()], None);
        for c in command.chars() {
            match (c, quote) {
                ('\'' | '"', None) => quote = Some(c),
                (c, Some(q)) if c == q => quote = None,
                (' ', None) => all.push(String::new()),
                _ => all.last_mut().unwrap().push(c),
            }
        }
        all
    }

    /// Returns what is wrong with a command.
    fn wrong(command: &str) -> Option<String> {
        let words = words(command);
        if let Err(e) = Xtask::try_parse_from(&words) {
            // A command that is only named need not be complete.
            let named = words.len() <= 3 && !words.iter().any(|w| w.starts_with('-'));
            let incomplete = matches!(
                e.kind(),
                ErrorKind::MissingRequiredArgument | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            let help = e.kind() == ErrorKind::DisplayHelp;
            return (!(help || named && incomplete)).then(|| e.to_string());
        }
        let values_of =
            |flag: &str| words.iter().zip(&words[1..]).filter(|w| w.0 == flag).map(|w| w.1.clone()).collect::<Vec<_>>();
        let place = |word: &str| word.starts_with(char::is_uppercase) || word.contains(['/', '.']);
        if let [_, name, recipe, ..] = &words[..]
            && name == "train"
            && !recipe.starts_with('-')
            && !place(recipe)
            && let Err(e) = Recipe::open(recipe, &values_of("--set"))
        {
            return Some(e.to_string());
        }
        let methods = values_of("--methods").join(",");
        let known = |m: &&str| m.is_empty() || *m == "recipe" || METHODS.iter().any(|k| k.name == *m);
        methods.split(',').find(|m| !known(m)).map(|m| format!("no method is called {m}"))
    }

    #[test]
    fn every_command_of_the_pages_can_be_typed() {
        let (mut seen, mut faults) = (0, String::new());
        for page in pages() {
            let text = std::fs::read_to_string(&page).unwrap();
            let mut fenced = false;
            for line in text.lines() {
                fenced ^= line.trim_start().starts_with("```");
                let spans: Vec<_> =
                    if fenced { vec![line.trim()] } else { line.split('`').skip(1).step_by(2).collect() };
                for command in spans.into_iter().filter_map(typed) {
                    seen += 1;
                    faults += &wrong(command)
                        .map(|why| format!("{}: {command}: {why}\n", page.display()))
                        .unwrap_or_default();
                }
            }
        }
        assert!(seen > 100 && faults.is_empty(), "{seen} commands\n{faults}");
    }

    #[test]
    fn every_example_of_the_help_can_be_typed() {
        fn examples(command: &clap::Command, found: &mut String) {
            *found += &command.get_after_help().map(|h| format!("{h}\n")).unwrap_or_default();
            command.get_subcommands().for_each(|c| examples(c, found));
        }
        let (mut text, mut seen) = (String::new(), 0);
        examples(&Xtask::command(), &mut text);
        for command in text.lines().filter_map(|l| typed(l.trim())) {
            seen += 1;
            assert_eq!(wrong(command), None, "{command}");
        }
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn every_command_has_an_example_and_a_short_title() {
        fn check(command: &clap::Command, path: &str, faults: &mut String) {
            let path = format!("{path} {}", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            if !help.contains("cargo xtask") && command.get_name() != "help" {
                *faults += &format!("{path}: no example\n");
            }
            let title = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
            if title.is_empty() || title.lines().next().unwrap_or_default().ends_with('.') {
                *faults += &format!("{path}: \"{title}\" has to begin with a title, without a full stop\n");
            }
            command.get_subcommands().for_each(|c| check(c, &path, faults));
        }
        let mut faults = String::new();
        check(&Xtask::command(), "cargo", &mut faults);
        assert_eq!(faults, "");
    }
}
