//! The closed set of operations and the methods that append them.
use super::{Graph, NodeId, ParamId, Shape};
use crate::philox::Distribution;

/// Kernel, stride and padding of a square convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Taps along each side.
    pub kernel: usize,
    /// Step between neighboring outputs.
    pub stride: usize,
    /// Zeros around the picture.
    pub pad: usize,
}

impl Window {
    /// Output length of a convolution over `len`, if the kernel fits.
    pub fn output(self, len: usize) -> Option<usize> {
        Some((len + 2 * self.pad).checked_sub(self.kernel)? / self.stride + 1)
    }

    /// Output length of the transposed convolution over `len`, if it is not empty.
    pub fn transposed(self, len: usize) -> Option<usize> {
        ((len - 1) * self.stride + self.kernel).checked_sub(2 * self.pad).filter(|&n| n > 0)
    }
}

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// e^x.
    Exp,
    /// ln x.
    Log,
    /// Square root; callers keep the argument away from 0 so that gradients stay finite.
    Sqrt,
    /// 1/x.
    Recip,
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1+e^-x).
    Sigmoid,
    /// ln(1+e^x), stable for large |x|.
    Softplus,
    /// |x|.
    Abs,
    /// -1, 0 or 1.
    Sign,
    /// x where positive, else `slope`·x; ReLU has slope 0.
    Leaky(f32),
    /// 1 where positive, else `slope`: the derivative of [`Unary::Leaky`].
    LeakyStep(f32),
    /// `scale`·x + `offset`.
    Affine {
        /// Factor.
        scale: f32,
        /// Summand.
        offset: f32,
    },
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Quotient.
    Div,
}

/// Every operation a graph can hold. Each gradient is written in operations of this same set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// Given to each run.
    Input,
    /// Read from the store.
    Param(ParamId),
    /// Written to the store at the end of the run; its value is the argument's.
    Assign(ParamId),
    /// The same number everywhere.
    Full(f32),
    /// Random numbers keyed by (seed, stream, step, index).
    Random {
        /// Which sequence.
        stream: u32,
        /// Of which law.
        distribution: Distribution,
    },
    /// One number to one number.
    Unary(Unary),
    /// Two numbers to one number, same shapes.
    Binary(Binary),
    /// (c, a, b): a where c > 0, else b.
    Select,
    /// The same numbers under another shape.
    Reshape,
    /// The value, through which no gradient flows.
    Detach,
    /// A run of indices of one axis.
    Slice {
        /// Which axis.
        axis: usize,
        /// First index.
        start: usize,
    },
    /// Zeros around an axis: the adjoint of a slice.
    Pad {
        /// Which axis.
        axis: usize,
        /// Zeros before the value.
        before: usize,
    },
    /// Joined along an axis.
    Concat {
        /// Which axis.
        axis: usize,
    },
    /// Repeated along dimensions of length 1, aligned on the right.
    Broadcast,
    /// Summed to a shape that broadcasts to the argument's: the adjoint of a broadcast.
    SumTo,
    /// Matrix product, each side read transposed or not.
    MatMul {
        /// Read the left side transposed.
        ta: bool,
        /// Read the right side transposed.
        tb: bool,
    },
    /// (x `[b,h,w,i]`, weight `[k,k,i,o]`) to `[b,h',w',o]`.
    Conv(Window),
    /// (y `[b,h',w',o]`, weight `[k,k,i,o]`) to `[b,h,w,i]`: gradient of `Conv` by its input, a transposed convolution.
    ConvInput(Window),
    /// (x, y) to `[k,k,i,o]`: gradient of `Conv` by its weight.
    ConvWeight(Window),
    /// (x `[b,h,w,c]`, weight `[k,k,c]`) to `[b,h',w',c]`: a convolution of each channel by itself.
    Depthwise(Window),
    /// (y `[b,h',w',c]`, weight `[k,k,c]`) to `[b,h,w,c]`: gradient of `Depthwise` by its input.
    DepthwiseInput(Window),
    /// (x, y) to `[k,k,c]`: gradient of `Depthwise` by its weight.
    DepthwiseWeight(Window),
    /// Each pixel repeated `factor` times in both directions.
    Upsample(usize),
    /// Sums of `factor` x `factor` pixels: the adjoint of `Upsample`.
    SumPool(usize),
}

/// Building blocks; the names are those of the operations.
impl Graph {
    /// Applies a function of one number.
    pub fn unary(&mut self, f: Unary, x: NodeId) -> NodeId {
        self.push(Op::Unary(f), &[x], self.shape(x))
    }

    /// Applies a function of two numbers; the smaller shape is broadcast to the larger.
    #[track_caller]
    pub fn binary(&mut self, f: Binary, a: NodeId, b: NodeId) -> NodeId {
        let (sa, sb) = (self.shape(a), self.shape(b));
        let to = if sa.broadcasts_to(sb) { sb } else { sa };
        let (a, b) = (self.broadcast(a, to), self.broadcast(b, to));
        self.push(Op::Binary(f), &[a, b], to)
    }

    /// a + b.
    #[track_caller]
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Add, a, b)
    }

    /// a - b.
    #[track_caller]
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Sub, a, b)
    }

    /// a · b, element by element.
    #[track_caller]
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Mul, a, b)
    }

    /// a / b.
    #[track_caller]
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Div, a, b)
    }

    /// `scale`·x + `offset`.
    pub fn affine(&mut self, x: NodeId, scale: f32, offset: f32) -> NodeId {
        self.unary(Unary::Affine { scale, offset }, x)
    }

    /// x².
    pub fn square(&mut self, x: NodeId) -> NodeId {
        self.mul(x, x)
    }

    /// `a` where `c` is positive, else `b`.
    #[track_caller]
    pub fn select(&mut self, c: NodeId, a: NodeId, b: NodeId) -> NodeId {
        let shape = self.shape(c);
        let (a, b) = (self.broadcast(a, shape), self.broadcast(b, shape));
        self.push(Op::Select, &[c, a, b], shape)
    }

    /// The same numbers under another shape.
    #[track_caller]
    pub fn reshape(&mut self, x: NodeId, dims: &[usize]) -> NodeId {
        let shape = Shape::new(dims);
        assert_eq!(self.shape(x).len(), shape.len(), "reshape of {:?} to {shape:?}", self.shape(x));
        if self.shape(x) == shape { x } else { self.push(Op::Reshape, &[x], shape) }
    }

    /// The value, as a constant for every gradient.
    pub fn detach(&mut self, x: NodeId) -> NodeId {
        self.push(Op::Detach, &[x], self.shape(x))
    }

    /// Indices `start..start + len` of `axis`.
    #[track_caller]
    pub fn slice(&mut self, x: NodeId, axis: usize, start: usize, len: usize) -> NodeId {
        let shape = self.shape(x);
        assert!(start + len <= shape.dims()[axis], "slice {start}+{len} of axis {axis} of {shape:?}");
        if len == shape.dims()[axis] { x } else { self.push(Op::Slice { axis, start }, &[x], shape.with(axis, len)) }
    }

    /// `before` zeros, the value, then zeros up to `len`, along `axis`.
    #[track_caller]
    pub fn pad(&mut self, x: NodeId, axis: usize, before: usize, len: usize) -> NodeId {
        let shape = self.shape(x);
        assert!(before + shape.dims()[axis] <= len, "pad of {shape:?} by {before} to {len}");
        if len == shape.dims()[axis] { x } else { self.push(Op::Pad { axis, before }, &[x], shape.with(axis, len)) }
    }

    /// Joins `parts` along `axis`.
    #[track_caller]
    pub fn concat(&mut self, parts: &[NodeId], axis: usize) -> NodeId {
        let shapes: Vec<_> = parts.iter().map(|&p| self.shape(p)).collect();
        let shape = shapes[0].with(axis, shapes.iter().map(|s| s.dims()[axis]).sum());
        assert!(shapes.iter().all(|s| s.with(axis, 1) == shape.with(axis, 1)), "concat of {shapes:?} along {axis}");
        if parts.len() == 1 { parts[0] } else { self.push(Op::Concat { axis }, parts, shape) }
    }

    /// Repeats `x` to `shape`.
    #[track_caller]
    pub fn broadcast(&mut self, x: NodeId, shape: Shape) -> NodeId {
        assert!(self.shape(x).broadcasts_to(shape), "{:?} does not broadcast to {shape:?}", self.shape(x));
        if self.shape(x) == shape { x } else { self.push(Op::Broadcast, &[x], shape) }
    }

    /// Sums `x` to `shape`.
    #[track_caller]
    pub fn sum_to(&mut self, x: NodeId, shape: Shape) -> NodeId {
        assert!(shape.broadcasts_to(self.shape(x)), "{:?} does not sum to {shape:?}", self.shape(x));
        if self.shape(x) == shape { x } else { self.push(Op::SumTo, &[x], shape) }
    }

    /// The sum of all elements.
    pub fn sum(&mut self, x: NodeId) -> NodeId {
        self.sum_to(x, Shape::SCALAR)
    }

    /// The mean of all elements.
    pub fn mean(&mut self, x: NodeId) -> NodeId {
        let n = self.shape(x).len() as f32;
        let sum = self.sum(x);
        self.affine(sum, 1.0 / n, 0.0)
    }

    /// Matrix product of `a` (transposed if `ta`) and `b` (transposed if `tb`).
    #[track_caller]
    pub fn matmul_t(&mut self, a: NodeId, b: NodeId, ta: bool, tb: bool) -> NodeId {
        let (sa, sb) = (self.shape(a), self.shape(b));
        assert!(sa.rank() == 2 && sb.rank() == 2, "matrix product of {sa:?} and {sb:?}");
        let (a0, a1) = if ta { (sa.dims()[1], sa.dims()[0]) } else { (sa.dims()[0], sa.dims()[1]) };
        let (b0, b1) = if tb { (sb.dims()[1], sb.dims()[0]) } else { (sb.dims()[0], sb.dims()[1]) };
        assert_eq!(a1, b0, "matrix product of {sa:?} and {sb:?}, transposed {ta} {tb}");
        self.push(Op::MatMul { ta, tb }, &[a, b], Shape::new(&[a0, b1]))
    }

    /// Matrix product.
    #[track_caller]
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.matmul_t(a, b, false, false)
    }

    /// Convolution of `x` `[b,h,w,i]` with `weight` `[k,k,i,o]`.
    #[track_caller]
    pub fn conv(&mut self, x: NodeId, weight: NodeId, window: Window) -> NodeId {
        let (sx, sw) = (self.shape(x), self.shape(weight));
        let (&[b, h, w, i], &[k, k2, wi, o]) = (sx.dims(), sw.dims()) else {
            panic!("convolution of {sx:?} by {sw:?}")
        };
        assert!(k == k2 && k == window.kernel && wi == i, "convolution of {sx:?} by {sw:?}, {window:?}");
        let (Some(oh), Some(ow)) = (window.output(h), window.output(w)) else {
            panic!("{window:?} does not fit a picture of {sx:?}")
        };
        self.push(Op::Conv(window), &[x, weight], Shape::new(&[b, oh, ow, o]))
    }

    /// Transposed convolution of `y` `[b,h',w',o]` with `weight` `[k,k,i,o]` to a picture of `h` x `w`.
    #[track_caller]
    pub fn conv_input(&mut self, y: NodeId, weight: NodeId, window: Window, (h, w): (usize, usize)) -> NodeId {
        let (sy, sw) = (self.shape(y), self.shape(weight));
        let (&[b, oh, ow, o], &[k, _, i, wo]) = (sy.dims(), sw.dims()) else {
            panic!("transposed convolution of {sy:?} by {sw:?}")
        };
        assert!(k == window.kernel && wo == o, "transposed convolution of {sy:?} by {sw:?}, {window:?}");
        assert!(
            window.output(h) == Some(oh) && window.output(w) == Some(ow),
            "transposed convolution of {sy:?} to {h}x{w} by {window:?}"
        );
        self.push(Op::ConvInput(window), &[y, weight], Shape::new(&[b, h, w, i]))
    }

    /// The gradient of a convolution by its weight, from its input `x` and the gradient `y` of its output.
    #[track_caller]
    pub fn conv_weight(&mut self, x: NodeId, y: NodeId, window: Window) -> NodeId {
        let (sx, sy) = (self.shape(x), self.shape(y));
        let (&[b, h, w, i], &[yb, oh, ow, o]) = (sx.dims(), sy.dims()) else {
            panic!("weight gradient of {sx:?} and {sy:?}")
        };
        assert!(
            b == yb && window.output(h) == Some(oh) && window.output(w) == Some(ow),
            "weight gradient of {sx:?} and {sy:?} by {window:?}"
        );
        self.push(Op::ConvWeight(window), &[x, y], Shape::new(&[window.kernel, window.kernel, i, o]))
    }

    /// Convolution of each channel of `x` `[b,h,w,c]` with its own kernel of `weight` `[k,k,c]`.
    #[track_caller]
    pub fn depthwise(&mut self, x: NodeId, weight: NodeId, window: Window) -> NodeId {
        let (sx, sw) = (self.shape(x), self.shape(weight));
        let (&[b, h, w, c], &[k, k2, wc]) = (sx.dims(), sw.dims()) else { panic!("depthwise {sx:?} by {sw:?}") };
        assert!(k == k2 && k == window.kernel && wc == c, "depthwise convolution of {sx:?} by {sw:?}, {window:?}");
        let (Some(oh), Some(ow)) = (window.output(h), window.output(w)) else {
            panic!("{window:?} does not fit a picture of {sx:?}")
        };
        self.push(Op::Depthwise(window), &[x, weight], Shape::new(&[b, oh, ow, c]))
    }

    /// The gradient of a depthwise convolution by its input of `h` x `w`, from the gradient `y` of its output.
    #[track_caller]
    pub fn depthwise_input(&mut self, y: NodeId, weight: NodeId, window: Window, (h, w): (usize, usize)) -> NodeId {
        let (sy, sw) = (self.shape(y), self.shape(weight));
        let &[b, oh, ow, c] = sy.dims() else { panic!("depthwise gradient of {sy:?} by {sw:?}") };
        assert!(
            sw.last() == c && window.output(h) == Some(oh) && window.output(w) == Some(ow),
            "depthwise gradient of {sy:?} by {sw:?} to {h}x{w} by {window:?}"
        );
        self.push(Op::DepthwiseInput(window), &[y, weight], Shape::new(&[b, h, w, c]))
    }

    /// The gradient of a depthwise convolution by its weight, from its input `x` and the gradient `y` of its output.
    #[track_caller]
    pub fn depthwise_weight(&mut self, x: NodeId, y: NodeId, window: Window) -> NodeId {
        let (sx, sy) = (self.shape(x), self.shape(y));
        let (&[b, h, w, c], &[yb, oh, ow, yc]) = (sx.dims(), sy.dims()) else {
            panic!("depthwise weight gradient of {sx:?} and {sy:?}")
        };
        assert!(
            b == yb && c == yc && window.output(h) == Some(oh) && window.output(w) == Some(ow),
            "depthwise weight gradient of {sx:?} and {sy:?} by {window:?}"
        );
        self.push(Op::DepthwiseWeight(window), &[x, y], Shape::new(&[window.kernel, window.kernel, c]))
    }

    /// Nearest-neighbor enlargement.
    #[track_caller]
    pub fn upsample(&mut self, x: NodeId, factor: usize) -> NodeId {
        let shape = self.shape(x);
        let &[b, h, w, c] = shape.dims() else { panic!("upsampling of {shape:?}") };
        self.push(Op::Upsample(factor), &[x], Shape::new(&[b, h * factor, w * factor, c]))
    }

    /// Sums over squares of `factor` x `factor` pixels.
    #[track_caller]
    pub fn sum_pool(&mut self, x: NodeId, factor: usize) -> NodeId {
        let shape = self.shape(x);
        let &[b, h, w, c] = shape.dims() else { panic!("pooling of {shape:?}") };
        assert!(h % factor == 0 && w % factor == 0, "pooling of {shape:?} by {factor}");
        self.push(Op::SumPool(factor), &[x], Shape::new(&[b, h / factor, w / factor, c]))
    }
}
