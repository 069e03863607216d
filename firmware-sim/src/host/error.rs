//! Errors of the simulator. Each message says what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use ganlet_runtime::FormatError;

use super::device::{ModelFit, UnknownDevice};

/// The reason why the simulator refused a model or failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum SimError {
    /// No device has this name.
    UnknownDevice(UnknownDevice),
    /// The bytes are not a model.
    Model(FormatError),
    /// The model needs more flash or RAM than the device has.
    TooLarge(Box<ModelFit>),
    /// A file could not be read or written.
    File {
        /// The attempted action, such as "write".
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// A word of a script is neither a button nor a wait.
    Script {
        /// The word.
        word: String,
    },
    /// The terminal could not be written or read.
    Terminal(io::Error),
    /// No window could be opened.
    Window {
        /// The message of the window system.
        cause: String,
    },
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownDevice(cause) => cause.fmt(f),
            Self::Model(cause) => cause.fmt(f),
            Self::TooLarge(fit) => fit.fmt(f),
            Self::File { verb, path, cause } => write!(f, "cannot {verb} {}: {cause}", path.display()),
            Self::Script { word } => write!(
                f,
                "a script cannot contain \"{word}\": it is a list such as right,right,wait:20,select of left, right, up, \
                 down, select and wait:FRAMES"
            ),
            Self::Terminal(cause) => {
                write!(f, "cannot draw on the terminal: {cause}; --png FILE writes an image instead")
            }
            Self::Window { cause } => write!(
                f,
                "cannot open a window: {cause}; --png FILE or --gif FILE writes an image instead, --terminal draws here"
            ),
        }
    }
}

impl std::error::Error for SimError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { cause, .. } | Self::Terminal(cause) => Some(cause),
            Self::Model(cause) => Some(cause),
            Self::UnknownDevice(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<FormatError> for SimError {
    fn from(cause: FormatError) -> Self {
        Self::Model(cause)
    }
}

impl From<UnknownDevice> for SimError {
    fn from(cause: UnknownDevice) -> Self {
        Self::UnknownDevice(cause)
    }
}
