//! Invalid model files are refused without a panic, and accepted ones draw without a panic.
use ganlet_runtime::{
    Aligned, Expected, FormatError, Generator, Model, Shape, TooMuchWork, WeightLayout,
    encode::{LayerSpec, LayoutChoice, ModelBuilder, Op, Source, rewrite_checksum},
};
use ganlet_tests::golden;
use ganlet_trainer::quantize::random_models::{RandomNet, SplitMix64};

/// Loads a model and, if that succeeds, draws an image. Returns the number of its pixels.
fn load_and_draw(bytes: &[u8]) -> Result<usize, FormatError> {
    let model = Model::from_bytes(bytes)?;
    assert!(model.arena_len() < 1 << 24, "small edits of small models stay small");
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).expect("the arena has the size asked for");
    Ok(generator.pixels(&model.latent(1)).count())
}

#[test]
fn every_truncation_is_an_error() {
    let file = RandomNet::new(3).file;
    for len in 0..file.len() {
        let mut cut = file[..len].to_vec();
        assert!(load_and_draw(&cut).is_err(), "{len} bytes of {}", file.len());
        rewrite_checksum(&mut cut);
        assert!(load_and_draw(&cut).is_err(), "{len} bytes of {}, checksum right", file.len());
    }
    let longer = [&file[..], &[0]].concat();
    let expected = file.len();
    assert_eq!(load_and_draw(&longer), Err(FormatError::TrailingBytes { found: expected + 1, expected }));
}

#[test]
fn every_flipped_bit_is_detected() {
    let file = RandomNet::new(8).file;
    for bit in 0..file.len() * 8 {
        let mut damaged = file.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(Model::from_bytes(&damaged).is_err(), "bit {bit}");
    }
}

#[test]
fn damage_with_a_valid_checksum_never_panics() {
    let mut random = SplitMix64(99);
    let (mut refused, mut accepted) = (0, 0);
    for seed in 0..30 {
        let file = RandomNet::new(seed).file;
        let header_end = 48 + u32::from_le_bytes(file[12..16].try_into().unwrap()) as usize;
        for _ in 0..200 {
            let mut damaged = file.clone();
            for _ in 0..1 + random.below(3) {
                // Damages mostly the structure, sometimes the numbers.
                let end = if random.below(4) == 0 { file.len() } else { header_end };
                damaged[random.below(end as u64) as usize] = random.next_bits() as u8;
            }
            rewrite_checksum(&mut damaged);
            match load_and_draw(&damaged) {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(refused > 1000 && accepted > 100, "{refused} refused, {accepted} accepted");
}

#[test]
fn a_model_at_an_odd_address_is_refused() {
    let file = RandomNet::new(1).file;
    let mut room = Aligned([0u8; 1 << 16]);
    for shift in 1..4 {
        let placed = &mut room.0[shift..shift + file.len()];
        placed.copy_from_slice(&file);
        assert_eq!(Model::from_bytes(placed).unwrap_err(), FormatError::Misaligned);
    }
}

#[test]
fn a_lane_interval_that_is_too_long_is_refused() {
    // 48 channels of extreme weights: two tap rows of 48 steps, of which 32 fit a lane.
    let doubling = |weight: fn(usize) -> i8| {
        let dense = Op::Dense { shape: Shape { h: 1, w: 2, c: 48 } };
        let layer = |op, input, weights, biases, scales| LayerSpec {
            op,
            input,
            zero_point: 0,
            table: None,
            weights,
            wide: [0; 2],
            bias: vec![0; biases],
            scale: vec![1 << 20; scales],
        };
        let up = Op::ConvTranspose { k: 4, s: 2, p: 1, c: 1 };
        let layers = [
            layer(dense, Source::Latent, vec![1; 96], 48, 48),
            layer(up, Source::Layer(0), (0..16 * 48).map(weight).collect(), 4, 1),
        ];
        golden::file("lanes", 1, &layers)
    };
    let extreme = doubling(|i| if i % 2 == 0 { 127 } else { -127 });
    // The interval is the only 32 in the header; the layout precedes it, and a span follows.
    let at = |file: &[u8], interval: u8| {
        let header = &file[48..48 + usize::from(file[12])];
        48 + header.windows(2).rposition(|b| b == [0, interval]).expect("an interval") + 1
    };
    let mut stretched = extreme.clone();
    let at_interval = at(&extreme, 32);
    stretched[at_interval] = 33;
    rewrite_checksum(&mut stretched);
    let what = "largest sum of weights in a lane interval";
    let refused = FormatError::Layer { layer: 1, what, found: 33 * 254, expected: Expected::AtMost(8191) };
    assert_eq!(load_and_draw(&stretched), Err(refused));
    // With small weights the whole window fits; a shorter interval is valid too, and 0 makes it another kind of layer.
    let mut small = doubling(|i| (i % 50) as i8);
    let at_interval = at(&small, 96);
    small[at_interval] = 5;
    rewrite_checksum(&mut small);
    assert_eq!(load_and_draw(&small), Ok(8));
    small[at_interval] = 0;
    rewrite_checksum(&mut small);
    assert!(load_and_draw(&small).unwrap_err().to_string().starts_with("layer 1: bytes of weights: found 768"));
}

#[test]
fn only_suitable_layers_use_the_doubling_kernel() {
    let refusal = |edit: fn(&mut Vec<LayerSpec>)| {
        let mut layers = golden::tiny();
        edit(&mut layers);
        golden::builder("edited", 4, &layers).finish().map(|file| {
            let model = Model::from_bytes(&file).unwrap();
            model.layers().map(|l| (l.kind, l.weight_bytes)).collect::<Vec<_>>()
        })
    };
    assert_eq!(refusal(|_| ()), Ok(vec![("dense", 64), ("conv-transpose", 32)]));
    // A second reader of another kind keeps the rows unpacked, so the first one uses groups, padded from 1 to 8.
    let shared = refusal(|layers| {
        let copy = LayerSpec {
            op: Op::Upsample { factor: 2 },
            bias: vec![],
            scale: vec![],
            weights: vec![],
            ..layers[0].clone()
        };
        let up = LayerSpec { op: Op::ConvTranspose { k: 4, s: 2, p: 1, c: 2 }, ..layers[1].clone() };
        let up = LayerSpec { weights: vec![1; 64], bias: vec![0; 8], scale: vec![1 << 20; 2], ..up };
        let sum = LayerSpec {
            op: Op::Add { other: Source::Layer(1) },
            input: Source::Layer(2),
            weights: vec![],
            ..up.clone()
        };
        let sum = LayerSpec { bias: vec![0], scale: vec![1 << 20], wide: [1, 1], ..sum };
        let end = LayerSpec { op: Op::Conv { k: 1, s: 1, p: 0, c: 1 }, input: Source::Layer(3), ..layers[1].clone() };
        let end = LayerSpec { weights: vec![1; 2], bias: vec![0], scale: vec![1 << 20], ..end };
        *layers = vec![layers[0].clone(), LayerSpec { input: Source::Layer(0), ..copy }, up, sum, end];
    });
    let kinds = shared.unwrap();
    assert_eq!(kinds[2], ("conv-transpose", 4 * 2 * 32));
}

#[test]
fn invalid_image_lists_are_refused() {
    let refusal = |images: &[u8]| {
        let mut builder = golden::builder("pyramid", 4, &golden::pyramid());
        builder.classes(3).images(images).finish().map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(refusal(&[0, 3]), Ok(()));
    let error = |text: &str| Err(text.to_owned());
    assert_eq!(refusal(&[3, 0]), error("model: layer of an image: found 0, expected at least 4"));
    assert_eq!(refusal(&[0, 6]), error("model: layer of an image: found 6, expected at most 5"));
    assert_eq!(refusal(&[4]), error("model: channels of a color image: found 4, expected 3"));
    assert_eq!(refusal(&[0, 1, 2, 3, 5]), error("model: images: found 5, expected at most 4"));
    let mut builder = golden::builder("pyramid", 4, &golden::pyramid()[..5]);
    let open = builder.classes(3).images(&[0, 3]).finish().map(|_| ()).map_err(|e| e.to_string());
    assert_eq!(open, error("model: outputs of the discriminator: found 64, expected 1"));
}

#[test]
fn words_that_encode_no_weight_pair_are_refused() {
    let mut builder = golden::builder("tiny", 4, &golden::tiny());
    let file = builder.layouts(LayoutChoice::Fast).finish().unwrap();
    let blob = u32::from_le_bytes(file[16..20].try_into().unwrap()) as usize;
    let refusal = |at: usize, byte: u8| {
        let mut edited = file.clone();
        edited[blob + at] = byte;
        rewrite_checksum(&mut edited);
        load_and_draw(&edited).map_err(|e| e.to_string())
    };
    let what = "offset of a weight outside -127 to 127: found 4, expected none";
    assert_eq!(refusal(5, 1), Err(format!("layer 0: {what}")), "bits between the lanes");
    assert_eq!(refusal(4, 0x80), Err(format!("layer 0: {what}")), "a weight of -128");
}

#[test]
fn a_flash_budget_makes_small_layers_fast_first_or_is_refused() {
    let net = golden::tiny();
    let mut builder = golden::builder("tiny", 4, &net);
    let mut layouts = |flash_bytes| -> Result<Vec<WeightLayout>, FormatError> {
        let file = builder.layouts(LayoutChoice::Auto { flash_bytes }).finish()?;
        assert!(file.len() as u64 <= flash_bytes);
        Ok(Model::from_bytes(&file).unwrap().layers().map(|l| l.layout).collect())
    };
    let compact = golden::file("tiny", 4, &net).len() as u64;
    assert_eq!(layouts(compact), Ok(vec![WeightLayout::Compact, WeightLayout::Compact]));
    // The fast layout takes twice the bytes of the compact one.
    assert_eq!(layouts(compact + 32), Ok(vec![WeightLayout::Compact, WeightLayout::Fast]));
    assert_eq!(layouts(compact + 80), Ok(vec![WeightLayout::Fast, WeightLayout::Compact]));
    assert_eq!(layouts(compact + 112), Ok(vec![WeightLayout::Fast, WeightLayout::Fast]));
    let refused = layouts(compact - 1).unwrap_err().to_string();
    assert_eq!(refused, format!("model: bytes of the compact file: found {compact}, expected at most {}", compact - 1));
}

#[test]
fn messages_name_the_layer_and_both_values() {
    let error = FormatError::Layer { layer: 3, what: "bytes of weights", found: 12, expected: Expected::Exactly(48) };
    assert_eq!(error.to_string(), "layer 3: bytes of weights: found 12, expected 48");
}

#[test]
fn invalid_header_fields_are_refused_with_found_and_expected_values() {
    let file = golden::file("tiny", 4, &golden::tiny());
    let edited = |at: usize, bytes: &[u8]| {
        let mut edited = file.clone();
        edited[at..at + bytes.len()].copy_from_slice(bytes);
        rewrite_checksum(&mut edited);
        Model::from_bytes(&edited).unwrap_err()
    };
    assert_eq!(edited(0, b"ELF"), FormatError::Magic);
    assert_eq!(edited(4, &[1]), FormatError::Version { found: 1 });
    assert_eq!(edited(4, &[5]), FormatError::Version { found: 5 });
    assert_eq!(edited(4, &[3]), FormatError::Header, "the directions of version 3 are missing");
    assert_eq!(edited(24, &[12]), FormatError::Arena { family: 0, found: 12, expected: 16 });
    assert_eq!(edited(28, &[12]), FormatError::Arena { family: 1, found: 12, expected: 72 });
    assert_eq!(edited(40, &[1]), FormatError::Prelude);
    // After the name come the latent's length, the classes, and the list of images.
    let what = "readers, of which all must be doubling layers";
    assert_eq!(edited(56, &[0]), FormatError::Layer { layer: 0, what, found: 2, expected: Expected::Exactly(1) });
}

#[test]
fn numbers_outside_their_bounds_are_refused() {
    let refusal = |edit: fn(&mut Vec<LayerSpec>)| {
        let mut layers = golden::tiny();
        edit(&mut layers);
        let mut builder = ModelBuilder::new("edited", 4);
        layers.iter().for_each(|layer| _ = builder.push(layer));
        builder.finish().unwrap_err().to_string()
    };
    let overflow = refusal(|layers| layers[1].bias[3] = i32::MAX);
    assert!(overflow.starts_with("layer 1: largest accumulator: found 21"), "{overflow}");
    let weight = refusal(|layers| layers[0].weights[9] = -128);
    assert!(weight.starts_with("layer 0: offset of a weight outside -127 to 127"), "{weight}");
    let multiplier = refusal(|layers| layers[0].scale[1] = 1 << 31);
    assert_eq!(multiplier, "layer 0: multiplier: found 2147483648, expected at most 2147483647");
    let weights = refusal(|layers| _ = layers[1].weights.pop());
    assert_eq!(weights, "layer 1: bytes of weights: found 31, expected 32");
    let forward = refusal(|layers| layers[0].input = Source::Layer(1));
    assert_eq!(forward, "layer 0: number of the layer that it reads: found 1, expected less than 0");
    let unread = refusal(|layers| layers[1].input = Source::Latent);
    assert!(unread.starts_with("layer "), "{unread}");
    let many = refusal(|layers| *layers = vec![layers[0].clone(); 25]);
    assert_eq!(many, "model: layers: found 25, expected at most 24");
    let none = refusal(Vec::clear);
    assert_eq!(none, "model: layers: found 0, expected at least 1");
}

#[test]
fn palettes_that_do_not_fit_are_refused() {
    let refusal = |edit: fn(&mut Vec<LayerSpec>)| {
        let mut layers = golden::palette();
        edit(&mut layers);
        golden::builder("edited", 6, &layers).finish().map(|_| ()).map_err(|e| e.to_string())
    };
    let error = |text: &str| Err(text.to_owned());
    assert_eq!(refusal(|_| ()), Ok(()));
    assert_eq!(
        refusal(|layers| layers[3].table.as_mut().unwrap()[0] = 0),
        error("layer 3: share of the largest value: found 0, expected at least 1")
    );
    assert_eq!(
        refusal(|layers| layers[3].table.as_mut().unwrap()[7] = -1),
        error("layer 3: negative shares: found 1, expected 0")
    );
    assert_eq!(
        refusal(|layers| layers[3].table = None),
        error("layer 3: share of the largest value: found 0, expected at least 1")
    );
    assert_eq!(
        refusal(|layers| layers[3].zero_point = 4),
        error("layer 3: zero point plus 128: found 132, expected 131")
    );
    assert_eq!(
        refusal(|layers| layers[3].op = Op::Palette { colors: Source::Layer(1) }),
        error("layer 3: pixels of the palette: found 64, expected 1")
    );
    assert_eq!(
        refusal(|layers| layers[3].op = Op::Palette { colors: Source::Latent }),
        error("layer 3: numbers of the palette: found 6, expected 4")
    );
    // A file of version 3 has no palettes.
    let mut file = golden::file("palette", 6, &golden::palette());
    assert_eq!(file[4], 4);
    file[4] = 3;
    rewrite_checksum(&mut file);
    assert_eq!(Model::from_bytes(&file).unwrap_err(), FormatError::Header);
}

#[test]
fn a_score_that_does_not_depend_on_every_row_is_refused() {
    let image = golden::tiny();
    let scored = |last: LayerSpec| {
        let mut builder = golden::builder("scored", 4, &image);
        builder.push(&last);
        builder.images(&[1]).finish()
    };
    let one = |op, input, weights| LayerSpec {
        op,
        input,
        weights: vec![1; weights],
        bias: vec![0],
        scale: vec![1 << 25],
        ..image[1].clone()
    };
    let dense = Op::Dense { shape: Shape { h: 1, w: 1, c: 1 } };
    let what = "rows of the image that the score depends on";
    let refused = |found| Err(FormatError::Model { what, found, expected: Expected::Exactly(4) });
    // A convolution with stride 4 reads the first row only, a dense layer that reads the latent no row.
    assert_eq!(scored(one(Op::Conv { k: 1, s: 4, p: 0, c: 1 }, Source::Layer(1), 1)), refused(1));
    assert_eq!(scored(one(Op::Conv { k: 3, s: 4, p: 0, c: 1 }, Source::Layer(1), 9)), refused(3));
    assert_eq!(scored(one(dense, Source::Latent, 4)), refused(0));
    let file = scored(one(dense, Source::Layer(1), 16)).unwrap();
    let model = Model::from_bytes(&file).unwrap();
    let mut arena = vec![0; model.arena_len()];
    let mut generator = Generator::new(&model, &mut arena).unwrap();
    let mut rows = generator.scored_rows(&model.latent(1));
    assert_eq!(std::iter::from_fn(|| rows.next_row().map(|_| ())).count(), 4);
}

#[test]
fn a_limit_on_the_work_of_an_image_is_kept() {
    // A few hundred bytes that describe two million multiply-accumulates.
    let mut layers = vec![golden::tiny().remove(0)];
    let large =
        LayerSpec { op: Op::Conv { k: 16, s: 1, p: 15, c: 1 }, weights: vec![1; 512], ..golden::tiny().remove(1) };
    let wide = LayerSpec { input: Source::Layer(0), bias: vec![0], scale: vec![1], ..large };
    layers.push(LayerSpec {
        bias: vec![],
        scale: vec![],
        weights: vec![],
        op: Op::Upsample { factor: 30 },
        ..layers[0].clone()
    });
    layers[1].input = Source::Layer(0);
    layers.push(LayerSpec { input: Source::Layer(1), ..wide });
    let file = golden::file("work", 4, &layers);
    let macs = Model::from_bytes(&file).unwrap().macs();
    assert!(file.len() < 5000 && macs > 2_000_000, "{} bytes, {macs}", file.len());
    let model = Model::from_bytes(&file).unwrap();
    assert_eq!(model.clone().within(macs).unwrap().macs(), macs);
    let refused = model.within(macs - 1).unwrap_err();
    assert_eq!(refused, TooMuchWork { found: macs, limit: macs - 1 });
    assert!(refused.to_string().starts_with(&format!("an image takes {macs} multiply-accumulates")), "{refused}");
}

#[test]
fn incomplete_directions_are_refused_and_extreme_ones_do_not_overflow() {
    let with = |directions: &[Vec<i8>]| {
        let file = golden::builder("tiny", 4, &golden::tiny()).directions(directions).finish();
        file.map(|file| Model::from_bytes(&file).unwrap().directions()).map_err(|e| e.to_string())
    };
    assert_eq!(with(&vec![vec![-128; 4]; 16]), Ok(16));
    assert_eq!(with(&[vec![1; 7]]), Err("model: bytes of directions: found 7, expected 4".into()));
    // The extreme values of a latent and its directions do not overflow.
    let file = golden::builder("tiny", 4, &golden::tiny()).directions(&[vec![-128; 4]]).finish().unwrap();
    let model = Model::from_bytes(&file).unwrap();
    let mut z = model.latent_of(&[-128; 4]).unwrap();
    assert_eq!(z.coordinate(&model, 0), 127);
    z.set_coordinate(&model, 0, -128);
    assert_eq!(z.values(), [127; 4]);
}

#[test]
fn the_length_of_a_model_is_read_from_its_first_bytes() {
    let file = golden::file("tiny", 4, &golden::tiny());
    let mut region = file.clone();
    region.resize(file.len() + 100, 0xFF);
    assert_eq!(Model::stated_len(&region), Some(file.len()));
    assert_eq!(Model::stated_len(&region[..12]), Some(file.len()));
    // Too few bytes and erased flash are not a model. The stated length is not checked.
    assert_eq!(Model::stated_len(&region[..11]), None);
    assert_eq!(Model::stated_len(&[0xFF; 64]), None);
    region[8..12].fill(0xFF);
    assert_eq!(Model::stated_len(&region), Some(u32::MAX as usize));
}
