//! Files that the simulator writes decode to what the panel showed. If writing fails, no file is left.

use std::fs;
use std::path::PathBuf;

use ganlet_sim::host::{self, Device, DevicePortrait, Frame, Script, SimError, Simulator};

use crate::models::image_model;

/// Creates an empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_png_shows_every_panel_pixel_enlarged() {
    let (file, folder) = (image_model(16, 16, 3), folder("png"));
    for device in Device::all() {
        let simulator = Simulator::new(file.bytes(), *device).unwrap();
        let path = folder.join(device.name).with_extension("png");
        simulator.save_png(&path).unwrap();
        let mut reader =
            png::Decoder::new(std::io::BufReader::new(fs::File::open(&path).unwrap())).read_info().unwrap();
        let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgb).unwrap();
        let look = DevicePortrait::of(device);
        assert_eq!((info.width, info.height), look.size(), "{}", device.name);
        let at = |x: u32, y: u32| {
            let i = (y * info.width + x) as usize * 3;
            [rgb[i], rgb[i + 1], rgb[i + 2]]
        };
        let (frame, (left, top), scale) = (simulator.frame(), look.origin(), look.scale());
        // Pixels of one panel color have one color in the portrait, at the center of every pixel.
        let mut tints = std::collections::BTreeMap::new();
        for y in 0..frame.height {
            for x in 0..frame.width {
                let seen = at(left + x * scale + scale / 2, top + y * scale + scale / 2);
                assert_eq!(*tints.entry(frame.at(x, y)).or_insert(seen), seen, "{} at ({x}, {y})", device.name);
            }
        }
        let different: std::collections::BTreeSet<_> = tints.values().collect();
        assert!(different.len() > 1 && different.len() + 3 >= tints.len(), "{}", device.name);
    }
    assert!(fs::read_dir(&folder).unwrap().all(|entry| entry.unwrap().path().extension() == Some("png".as_ref())));
}

#[test]
fn a_gif_has_every_distinct_frame_and_the_duration_of_the_session() {
    // Gray images have few enough colors for exact palettes.
    let (file, folder) = (image_model(16, 16, 1), folder("gif"));
    let script: Script = "wait:5,right,wait:4,select,wait:7,select,right,right".parse().unwrap();
    for device in Device::all() {
        let (mut different, mut last) = (0, None);
        let Ok(()) = Simulator::new(file.bytes(), *device).unwrap().play(&script, |simulator| {
            different += usize::from(last.as_ref() != Some(&simulator.frame()));
            last = Some(simulator.frame());
            Ok::<_, std::convert::Infallible>(())
        });
        let path = folder.join(device.name).with_extension("gif");
        let mut simulator = Simulator::new(file.bytes(), *device).unwrap();
        assert_eq!(host::save_gif(&path, &mut simulator, &script).unwrap(), different, "{}", device.name);

        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(fs::File::open(&path).unwrap()).unwrap();
        let mut canvas = Frame::new(decoder.width().into(), decoder.height().into());
        let (mut frames, mut hundredths) = (0, 0);
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            frames += 1;
            hundredths += usize::from(frame.delay);
            let line = usize::from(frame.width);
            for (i, pixel) in frame.buffer.as_chunks::<4>().0.iter().enumerate() {
                let (x, y) = (usize::from(frame.left) + i % line, usize::from(frame.top) + i / line);
                let at = (y * canvas.width as usize + x) * 3;
                canvas.rgb[at..at + 3].copy_from_slice(&pixel[..3]);
            }
        }
        assert_eq!(frames, different, "{}", device.name);
        assert_eq!(hundredths, script.frames() * 4, "{}", device.name);
        assert!(canvas == DevicePortrait::small(device).portrait(&simulator.frame()), "{}", device.name);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named_and_leaves_no_temporary_file() {
    let (model, folder) = (image_model(16, 16, 3), folder("unwritable"));
    let mut simulator = Simulator::new(model.bytes(), Device::all()[0]).unwrap();
    let unwritable = folder.join("missing").join("a.png");
    let error = simulator.save_png(&unwritable).unwrap_err();
    assert!(matches!(&error, SimError::File { path, .. } if *path == unwritable));
    assert!(error.to_string().contains(&unwritable.display().to_string()), "{error}");
    // A folder has the name of the file, so the temporary file is written, but renaming it fails.
    let taken = folder.join("taken.gif");
    fs::create_dir(&taken).unwrap();
    assert!(host::save_gif(&taken, &mut simulator, &"right".parse().unwrap()).is_err());
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["taken.gif"]);
}

#[test]
fn the_terminal_text_shows_the_panel() {
    let file = image_model(16, 16, 3);
    let simulator = Simulator::new(file.bytes(), Device::named("oled-128x64").unwrap()).unwrap();
    let frame = simulator.frame();
    let text = host::print_frame(&frame, 128, 40, true);
    let (lines, blocks) = (text.lines().count(), text.matches('▀').count());
    assert_eq!((lines, blocks), (32, 128 * 32));
    let [r, g, b] = frame.at(0, 0);
    assert!(text.starts_with(&format!("\x1b[38;2;{r};{g};{b};48;2;")));
}
