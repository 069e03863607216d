//! The examples run with the committed models.

#[allow(unreachable_pub, reason = "the file is a program of its own")]
#[path = "../../examples/headless.rs"]
mod headless;

use ganlet_sim::Screen;
use std::path::{Path, PathBuf};

#[test]
fn the_headless_example_saves_the_walk_for_both_models() {
    for name in ["faces", "digits"] {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name).with_extension("model");
        let png = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("headless-{name}.png"));
        assert_eq!(headless::session(&model, &png).unwrap(), Screen::Walk);
        assert!(std::fs::metadata(&png).unwrap().len() > 1000);
    }
}
