//! Runs the crate's examples as a user would.
#![forbid(unsafe_code)]

#[path = "../examples/custom.rs"]
mod custom;
#[path = "../examples/own_images.rs"]
mod own_images;
#[path = "../examples/ring.rs"]
mod ring;

#[test]
fn the_ring_trains_and_is_drawn() {
    ring::main().unwrap();
}

#[test]
fn own_images_are_trained_on_and_exported() {
    own_images::main().unwrap();
}

#[test]
fn a_custom_data_set_with_custom_networks_and_loss_trains() {
    custom::main().unwrap();
}

#[test]
fn unusable_settings_networks_losses_and_data_are_errors_at_build() {
    use ganlet_trainer::prelude::*;
    struct Empty;
    impl Dataset for Empty {
        fn name(&self) -> &str {
            "empty"
        }
        fn shape(&self) -> &[usize] {
            &[0]
        }
        fn batch(&self, _: Key, _: &mut [f32]) {}
    }
    let ring = || Gan::recipe("ring").unwrap();
    let network = |layers| Network::new("generator", &[4], layers);
    let cases = [
        (ring().steps(0), "train.steps = 0"),
        (ring().threads(1_000_000), "threads = 1000000"),
        (ring().data(Empty), "shape [0]"),
        (ring().generator(network(vec![Layer::dense(5, &[2])])), "expected inputs = 4, found 5"),
        (ring().generator(network(vec![Layer::dense(4, &[3])])), "the data has the shape [2]"),
        (ring().loss(|_, scores| scores.real, |g, scores| g.mean(scores.fake)), "expected a scalar"),
    ];
    for (builder, expected) in cases {
        let found = builder.build().err().unwrap_or_else(|| panic!("built in spite of {expected}")).to_string();
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn a_model_carries_the_name_of_its_data_or_the_given_one() {
    use ganlet_trainer::prelude::*;
    let images = || ImageDataset::new("discs", (16, 16, 3), vec![0; 8 * 16 * 16 * 3], None).unwrap();
    let small = || Gan::recipe("faces").unwrap().set("train.batch_size=4").unwrap().data(images());
    for (builder, name) in [(small(), "discs"), (small().name("mine"), "mine")] {
        let file = builder.build().unwrap().quantize().unwrap().file;
        assert!(file.windows(name.len()).any(|bytes| bytes == name.as_bytes()), "{name}");
    }
}

#[test]
fn a_figure_has_the_format_of_its_file_name() {
    use ganlet_trainer::prelude::*;
    let folder = tempfile::tempdir().unwrap();
    let mut gan = Gan::recipe("ring").unwrap().set("train.batch_size=4").unwrap().build().unwrap();
    for (name, start) in [("a.png", b"\x89PNG"), ("a.gif", b"GIF8"), ("a", b"\x89PNG")] {
        gan.save_figure(folder.path().join(name)).unwrap();
        assert!(std::fs::read(folder.path().join(name)).unwrap().starts_with(start), "{name}");
    }
    let error = gan.save_figure(folder.path().join("a.jpg")).unwrap_err().to_string();
    assert!(error.contains("a.jpg") && error.contains(".png or .gif"), "{error}");
    assert!(!folder.path().join("a.jpg").exists());
}
