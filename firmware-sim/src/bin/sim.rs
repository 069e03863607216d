//! A model on an emulated device: `sim FILE.model [--device D] [--seed S] [--press SCRIPT] [--png F | --gif F | --terminal | --window]`.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ganlet_sim::host::{self, Device, ModelFile, Script, SimError, Simulator};

const USAGE: &str = "usage: sim FILE.model [--device D] [--seed S] [--press right,wait:20,select,...] \
                     [--png F | --gif F | --terminal | --window]";

enum Output {
    Png(PathBuf),
    Gif(PathBuf),
    Terminal,
    Window,
}

struct Arguments {
    model: PathBuf,
    device: String,
    seed: u32,
    script: Option<String>,
    output: Output,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let (mut model, mut device, mut seed) = (None, Device::DEFAULT.to_owned(), 1);
    let (mut script, mut output) = (None, if cfg!(feature = "window") { Output::Window } else { Output::Terminal });
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--device" => device = value()?,
            "--seed" => {
                let text = value()?;
                seed = text.parse().map_err(|_| format!("--seed {text}: a seed is a number from 0 to {}", u32::MAX))?;
            }
            "--press" => script = Some(value()?),
            "--png" => output = Output::Png(value()?.into()),
            "--gif" => output = Output::Gif(value()?.into()),
            "--terminal" => output = Output::Terminal,
            "--window" => output = Output::Window,
            _ if word.starts_with('-') => return Err(format!("there is no option {word}")),
            _ if model.is_none() => model = Some(word.into()),
            _ => return Err(format!("one model only: {word} is one too many")),
        }
    }
    let model = model.ok_or("no model given")?;
    Ok(Arguments { model, device, seed, script, output })
}

fn run(arguments: &Arguments) -> Result<(), SimError> {
    let device = Device::named(&arguments.device)?;
    let file = ModelFile::read(&arguments.model)?;
    let mut simulator = Simulator::new(file.bytes(), device)?.with_seed(arguments.seed);
    let script = arguments.script.as_deref().map(str::parse::<Script>).transpose()?;
    if let Output::Gif(path) = &arguments.output {
        let frames = host::save_gif(path, &mut simulator, &script.unwrap_or_else(Script::tour))?;
        return told(path, &format!("{frames} frames"));
    }
    if let Some(script) = script {
        let Ok(()) = simulator.play(&script, |_| Ok::<_, std::convert::Infallible>(()));
    }
    match &arguments.output {
        Output::Png(path) => simulator.save_png(path).and_then(|()| told(path, device.name)),
        #[cfg(feature = "window")]
        Output::Window => host::run_window(&mut simulator),
        _ => host::run_terminal(&mut simulator),
    }
}

fn told(path: &Path, what: &str) -> Result<(), SimError> {
    eprintln!("wrote {} ({what})", path.display());
    Ok(())
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
