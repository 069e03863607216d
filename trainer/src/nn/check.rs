//! Whether the layers of a network fit together, checked before anything is built from them.
use super::{Layer, Network};
use crate::graph::Window;

/// Shape of the value between two layers, with what residual blocks and pyramids carry along.
struct Walk {
    dims: Vec<usize>,
    /// Shapes kept by [`Layer::Fork`].
    kept: Vec<Vec<usize>>,
    has_level: bool,
}

impl Network {
    /// Checks every layer against the shape that reaches it.
    ///
    /// # Errors
    /// The first layer that does not fit, with the shape found and the shape expected.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.input.is_empty() || self.input.contains(&0) {
            return Err(format!("its input has the shape {:?}: expected one or more positive lengths", self.input));
        }
        if self.layers.is_empty() {
            return Err("it has no layers: expected at least one".into());
        }
        let shapes = self.shapes();
        let mut walk = Walk { dims: self.input.clone(), kept: Vec::new(), has_level: false };
        for (i, layer) in self.layers.iter().enumerate() {
            walk.layer(layer).map_err(|why| format!("layer {i} ({layer:?}) does not fit: {why}"))?;
            walk.dims.clone_from(&shapes[i]);
            if walk.dims.contains(&0) {
                return Err(format!("layer {i} ({layer:?}) has an empty output, {:?}", walk.dims));
            }
        }
        match walk.kept.len() {
            0 => Ok(()),
            n => Err(format!("{n} Layer::Fork without a Layer::Join: end each residual block")),
        }
    }
}

impl Walk {
    fn layer(&mut self, layer: &Layer) -> Result<(), String> {
        match layer {
            Layer::Dense { inputs, .. } | Layer::MinibatchStddev { inputs } | Layer::Score { inputs, .. } => {
                self.numbers(*inputs)
            }
            Layer::MinibatchDiscrimination { inputs, kernels, dimensions } => {
                self.numbers(*inputs)?;
                positive("kernels", *kernels)?;
                positive("dimensions", *dimensions)
            }
            Layer::Conv { window, inputs, .. } => self.window(window, *inputs),
            Layer::Level { window, inputs, .. } => {
                self.has_level = true;
                self.window(window, *inputs)
            }
            Layer::Depthwise { window, channels } => self.window(window, *channels),
            Layer::ConvTranspose { window, inputs, .. } => self.transposed(window, *inputs),
            Layer::Upsample(factor) => {
                self.image()?;
                positive("the factor", *factor)
            }
            Layer::BatchNorm { channels } => self.channels(*channels),
            Layer::BinaryLatents { count } if self.dims.len() != 1 || *count > self.dims[0] => {
                Err(format!("the input has the shape {:?}: expected a vector of {count} or more numbers", self.dims))
            }
            Layer::ClassLatent { thresholds } if self.dims.len() != 1 || thresholds.is_empty() => {
                Err(format!("the input has the shape {:?}: expected a vector, and one or more thresholds", self.dims))
            }
            Layer::FourierFeatures { .. } if self.dims.len() != 1 => {
                Err(format!("the input has the shape {:?}: expected a vector", self.dims))
            }
            Layer::Fork => {
                self.kept.push(self.dims.clone());
                Ok(())
            }
            Layer::Swap => match self.kept.last_mut() {
                Some(kept) => {
                    std::mem::swap(kept, &mut self.dims);
                    Ok(())
                }
                None => Err("there is no Layer::Fork before it".into()),
            },
            Layer::Join => match self.kept.pop() {
                Some(kept) if kept == self.dims => Ok(()),
                Some(kept) => Err(format!("it adds {:?} to {kept:?}: expected equal shapes", self.dims)),
                None => Err("there is no Layer::Fork before it".into()),
            },
            Layer::Palette { colors, channels } => {
                self.image()?;
                self.channels(*colors)?;
                match self.kept.pop() {
                    Some(kept) if kept.iter().product::<usize>() == colors * channels => Ok(()),
                    Some(kept) => {
                        Err(format!("the palette has the shape {kept:?}: expected {colors} x {channels} numbers"))
                    }
                    None => Err("there is no Layer::Fork before it".into()),
                }
            }
            Layer::Image if !self.has_level => Err("there is no Layer::Level before it".into()),
            Layer::Image
            | Layer::Activation(_)
            | Layer::BinaryLatents { .. }
            | Layer::ClassLatent { .. }
            | Layer::FourierFeatures { .. } => Ok(()),
        }
    }

    fn numbers(&self, expected: usize) -> Result<(), String> {
        let found: usize = self.dims.iter().product();
        if found == expected {
            return Ok(());
        }
        Err(format!(
            "the input has the shape {:?}, {found} numbers: expected inputs = {found}, found {expected}",
            self.dims
        ))
    }

    fn channels(&self, expected: usize) -> Result<(), String> {
        match self.dims.last() {
            Some(&found) if found == expected => Ok(()),
            _ => Err(format!("the input has the shape {:?}: expected {expected} channels", self.dims)),
        }
    }

    fn image(&self) -> Result<(), String> {
        if self.dims.len() == 3 {
            return Ok(());
        }
        Err(format!("the input has the shape {:?}: expected an image, [height, width, channels]", self.dims))
    }

    fn sides(&self, window: &Window, channels: usize) -> Result<[usize; 2], String> {
        self.image()?;
        self.channels(channels)?;
        positive("the kernel", window.kernel)?;
        positive("the stride", window.stride)?;
        Ok([self.dims[0], self.dims[1]])
    }

    fn window(&self, window: &Window, channels: usize) -> Result<(), String> {
        let sides = self.sides(window, channels)?;
        if sides.iter().all(|&side| window.output(side).is_some()) {
            return Ok(());
        }
        Err(format!("{window:?} is larger than the image of {} x {} and its padding", sides[0], sides[1]))
    }

    fn transposed(&self, window: &Window, channels: usize) -> Result<(), String> {
        let sides = self.sides(window, channels)?;
        if sides.iter().all(|&side| window.transposed(side).is_some()) {
            return Ok(());
        }
        Err(format!("{window:?} leaves nothing of an image of {} x {}", sides[0], sides[1]))
    }
}

fn positive(what: &str, value: usize) -> Result<(), String> {
    if value > 0 { Ok(()) } else { Err(format!("{what} = 0: expected 1 or more")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(input: &[usize], layers: &[Layer]) -> String {
        Network::new("test", input, layers.to_vec()).check().unwrap_err()
    }

    #[test]
    fn layers_that_do_not_fit_are_named_with_both_shapes() {
        let palette = || Layer::Palette { colors: 4, channels: 3 };
        let cases: [(&[usize], &[Layer], &str); 17] = [
            (&[4], &[Layer::dense(5, &[2])], "expected inputs = 4, found 5"),
            (&[4], &[], "no layers"),
            (&[0], &[Layer::tanh()], "positive lengths"),
            (&[8], &[Layer::dense(8, &[0])], "empty output"),
            (&[8, 8, 4], &[Layer::conv(4, 4, (3, 1, 1)), Layer::score(4)], "layer 1"),
            (&[8, 8, 4], &[Layer::conv(3, 4, (3, 1, 1))], "expected 3 channels"),
            (&[8, 8, 4], &[Layer::conv(4, 4, (30, 1, 1))], "larger than the image"),
            (&[8, 8, 4], &[Layer::conv(4, 4, (0, 1, 1))], "the kernel = 0"),
            (&[8, 8, 4], &[Layer::conv(4, 4, (3, 0, 1))], "the stride = 0"),
            (&[8, 8, 4], &[Layer::conv_transpose(4, 4, (4, 0, 1))], "the stride = 0"),
            (&[8], &[Layer::conv(8, 4, (3, 1, 1))], "expected an image"),
            (&[8], &[Layer::BatchNorm { channels: 5 }], "expected 5 channels"),
            (&[8], &[Layer::BinaryLatents { count: 9 }], "9 or more"),
            (&[8], &[Layer::Join], "no Layer::Fork"),
            (&[8, 8, 4], &[palette()], "no Layer::Fork"),
            (&[8, 8, 5], &[Layer::Fork, palette()], "expected 4 channels"),
            (&[8, 8, 4], &[Layer::Fork, palette()], "expected 4 x 3 numbers"),
        ];
        for (input, layers, expected) in cases {
            let found = why(input, layers);
            assert!(found.contains(expected), "{layers:?}: {found}");
        }
        assert!(why(&[8], &[Layer::Fork]).contains("without a Layer::Join"));
    }
}
