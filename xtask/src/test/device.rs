//! The device part: what runs on microcontrollers builds for their cores.

use super::{Part, Verdict, host};
use crate::console;
use crate::toolchain::Way;

/// The cores, from the smallest instruction set to the largest.
const TARGETS: [(&str, &str); 2] = [("thumbv6m-none-eabi", "Cortex-M0"), ("thumbv7em-none-eabihf", "Cortex-M4F")];

/// What is built for each: a package and its features.
const BUILDS: [(&str, &[&str]); 3] =
    [("ganlet-runtime", &[]), ("ganlet-runtime", &["--features", "graphics"]), ("ganlet-sim", &[])];

/// Builds for all cores, one part for each build; without a compiler for a core, one part that says so.
pub(super) fn parts() -> Vec<Part> {
    let mut parts = Vec::new();
    for (target, core) in TARGETS {
        let way = match Way::find(target, |what| console::note(&format!("installing: {what}"))) {
            Ok(way) => way,
            Err(missing) => {
                parts.push(Part::timed(format!("{core}: build"), || Verdict::NotRun(missing.remedy)));
                continue;
            }
        };
        for (package, features) in BUILDS {
            let with = features.last().map(|f| format!(" with {f}")).unwrap_or_default();
            parts.push(Part::timed(format!("{core}: {package}{with}"), || {
                let mut command = way.cargo("build", target);
                command.args(["--release", "--locked", "--package", package, "--no-default-features"]).args(features);
                host::check(command)
            }));
        }
    }
    parts
}
