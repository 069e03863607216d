//! Streamed rows equal the whole-tensor oracle's, bit for bit, within the arena size that the file states.
use ganlet_runtime::{Generator, KernelFamily, Model};
use ganlet_tests::golden;
use ganlet_trainer::quantize::{oracle, random_models::RandomNet};

fn streamed(generator: &mut Generator<'_>, z: &ganlet_runtime::Latent) -> Vec<u8> {
    let mut rows = generator.rows(z);
    let mut image = Vec::new();
    while let Some(row) = rows.next_row() {
        image.extend_from_slice(row);
    }
    assert_eq!(rows.next_row(), None, "a finished image has no more rows");
    image
}

#[test]
fn rows_equal_the_oracle_on_random_networks() {
    let mut distinct = std::collections::HashSet::new();
    let mut kinds = std::collections::HashSet::new();
    // The last networks have extreme weights and values.
    for seed in 0..480 {
        let net = if seed < 400 { RandomNet::new(seed) } else { RandomNet::extreme(seed) };
        for (file, family) in
            [&net.file, &net.fast].into_iter().flat_map(|file| KernelFamily::ALL.map(move |f| (file, f)))
        {
            let model = Model::from_bytes(file).unwrap();
            // Old bytes in the arena must not matter.
            let mut arena = vec![0xA5; model.arena_len_of(family)];
            let mut generator = Generator::for_family(&model, &mut arena, family).unwrap();
            for z in [model.latent(seed as u32), model.latent_of(&vec![-128; model.latent_len()]).unwrap()] {
                let image = streamed(&mut generator, &z);
                let net = &net.layers;
                assert_eq!(image, oracle::image(net, z.values()), "net {seed}, family {family:?}: {net:#?}");
                assert_eq!(image, streamed(&mut generator, &z), "net {seed} drawn again");
                distinct.extend(image);
            }
            kinds.extend(model.layers().map(|l| (l.kind, l.layout)));
        }
    }
    assert_eq!(kinds.len(), 9, "every layer kind and layout occurs: {kinds:?}");
    assert!(distinct.len() > 200, "images are not flat");
}

/// Uses a pyramid with levels, classes and a discriminator.
#[test]
fn levels_classes_and_scores_equal_the_oracle() {
    let (layers, file) = (golden::pyramid(), golden::pyramid_file());
    let model = Model::from_bytes(&file).unwrap();
    assert_eq!((model.classes(), model.levels(), model.has_score(), model.size()), (3, 1, true, (8, 8)));
    assert_eq!(model.level_shape(0).map(|s| (s.h, s.w, s.c)), Some((4, 4, 1)));
    let mut scores = std::collections::HashSet::new();
    for (seed, family) in (0..60).flat_map(|seed| KernelFamily::ALL.map(move |family| (seed, family))) {
        let mut arena = vec![0xA5; model.arena_len_of(family)];
        let mut generator = Generator::for_family(&model, &mut arena, family).unwrap();
        let z = model.latent(seed);
        let class = usize::from(z.class().unwrap());
        assert_eq!(class, seed as usize % 3, "seeds cycle through the classes");
        let one_hot = (0..3).map(|c| if c == class { 32 } else { 0 });
        let tensors = oracle::tensors(&layers, &z.values().iter().copied().chain(one_hot).collect::<Vec<i8>>());

        assert_eq!(streamed(&mut generator, &z), tensors[3].pixels());
        let mut rows = generator.level_rows(&z, 0).unwrap();
        let mut level = Vec::new();
        while let Some(row) = rows.next_row() {
            level.extend_from_slice(row);
        }
        assert_eq!(level, tensors[0].pixels());
        assert_eq!(rows.score(), None, "a level has no score");
        assert!(generator.level_rows(&z, 2).is_none());
        assert_eq!(generator.rows(&z).score(), None, "an image has a score only on request");

        // The discriminator reads rows while the caller gets them, and the score may be requested early.
        let mut rows = generator.scored_rows(&z);
        let mut image = Vec::new();
        for _ in 0..seed % 9 {
            image.extend_from_slice(rows.next_row().unwrap());
        }
        assert_eq!(image, tensors[3].pixels()[..image.len()]);
        let score = rows.score().unwrap();
        assert_eq!(score, tensors[5].pixels()[0]);
        scores.insert(score);
    }
    assert!(scores.len() > 5, "the score depends on the image: {scores:?}");
    let z = model.latent(1);
    assert_eq!(z.clone().in_class(&model, 2).map(|z| z.class()), Ok(Some(2)));
    assert!(z.in_class(&model, 3).unwrap_err().to_string().contains("no class 3"));
}

#[test]
fn an_abandoned_image_does_not_disturb_the_next() {
    for seed in 400..440 {
        let net = RandomNet::new(seed);
        let model = Model::from_bytes(&net.file).unwrap();
        let mut arena = vec![0; model.arena_len()];
        let mut generator = Generator::new(&model, &mut arena).unwrap();
        generator.rows(&model.latent(1)).next_row();
        let z = model.latent(2);
        assert_eq!(streamed(&mut generator, &z), oracle::image(&net.layers, z.values()));
    }
}

#[test]
fn pixels_are_the_rows_with_gray_repeated() {
    for seed in 0..40 {
        let net = RandomNet::new(seed);
        let model = Model::from_bytes(&net.file).unwrap();
        let mut arena = vec![0; model.arena_len()];
        let mut generator = Generator::new(&model, &mut arena).unwrap();
        let z = model.latent(3);
        let rows = streamed(&mut generator, &z);
        let pixels: Vec<u8> = match model.channels() {
            1 => generator.pixels(&z).flat_map(|[r, g, b]| (r == g && g == b).then_some(r)).collect(),
            _ => generator.pixels(&z).flatten().collect(),
        };
        assert_eq!(pixels, rows);
    }
}

#[test]
fn an_arena_one_byte_short_is_refused_with_both_sizes() {
    let net = RandomNet::new(5);
    let model = Model::from_bytes(&net.file).unwrap();
    let needed = model.arena_len();
    let mut arena = vec![0; needed - 1];
    let refused = Generator::new(&model, &mut arena).unwrap_err();
    assert_eq!((refused.needed, refused.given), (needed, needed - 1));
}
