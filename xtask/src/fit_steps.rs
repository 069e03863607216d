//! The option `--fit-steps`: how long a discriminator is fitted to the images of a finished generator.

use clap::Args as ClapArgs;
use ganlet_trainer::evaluate::RejectionOptions;

/// Largest value of `--fit-steps`.
const MOST_FIT_STEPS: u64 = 1_000_000;

/// The option for fitting a discriminator before it scores images.
#[derive(ClapArgs, Clone, Copy, Debug)]
pub(crate) struct FitSteps {
    /// Steps that fit the discriminator to the int8 images before it scores them [default: 1000; 0: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=MOST_FIT_STEPS))]
    pub(crate) fit_steps: Option<u64>,
}

impl FitSteps {
    /// Returns the options for accepting `share` of the images.
    pub(crate) fn options(self, share: f64) -> RejectionOptions {
        RejectionOptions { share, fit_steps: self.fit_steps.unwrap_or(RejectionOptions::default().fit_steps) }
    }
}
