//! The operations of a graph, and the builder methods that append them.
use super::{Graph, NodeId, ParamId, Shape};
use crate::philox::Distribution;

/// Kernel size, stride and zero padding of a square convolution, equal along both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Kernel size.
    pub kernel: usize,
    /// Distance between the inputs of neighboring outputs.
    pub stride: usize,
    /// Rows and columns of zeros on each side of the image.
    pub pad: usize,
}

impl Window {
    /// Output size of a convolution along an axis of `len` pixels: `(len + 2·pad - kernel) / stride + 1`. `None` if the
    /// kernel does not fit.
    pub fn output(self, len: usize) -> Option<usize> {
        Some((len + 2 * self.pad).checked_sub(self.kernel)?.checked_div(self.stride)? + 1)
    }

    /// Output size of a transposed convolution along an axis of `len` pixels: `(len - 1)·stride + kernel - 2·pad`. `None`
    /// if that is not positive.
    pub fn transposed(self, len: usize) -> Option<usize> {
        (len.checked_sub(1)? * self.stride + self.kernel).checked_sub(2 * self.pad).filter(|&n| n > 0)
    }
}

/// Elementwise functions of one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unary {
    /// e^x.
    Exp,
    /// ln x.
    Log,
    /// Square root. Its gradient is infinite at 0, so callers add a small ε to the argument.
    Sqrt,
    /// 1/x.
    Recip,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic sigmoid, 1/(1+e^-x).
    Sigmoid,
    /// ln(1+e^x), computed without overflow for large |x|.
    Softplus,
    /// |x|.
    Abs,
    /// Sign: -1, 0 or 1. Its gradient is 0.
    Sign,
    /// Leaky ReLU: x where x is positive, else `slope`·x. ReLU has slope 0.
    Leaky(f32),
    /// Derivative of [`Unary::Leaky`]: 1 where x is positive, else `slope`. Its own gradient is 0.
    LeakyStep(f32),
    /// `scale`·x + `offset`, with constants.
    Affine {
        /// Factor on x.
        scale: f32,
        /// Constant added to the product.
        offset: f32,
    },
}

/// Elementwise functions of two tensors of equal shape.
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

/// Every operation that a graph can hold. The set is closed under differentiation: each gradient consists of these
/// operations.
///
/// Images are `[batch, height, width, channels]` (NHWC), convolution weights `[kernel, kernel, in, out]`. In the
/// comments, x is the input of a convolution and y its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    /// A tensor that the caller passes to each run.
    Input,
    /// A tensor of the store, such as a weight, as it was before the run.
    Param(ParamId),
    /// Writes its argument to the store after all reads of the old value. Its value is that of the argument.
    Assign(ParamId),
    /// A constant tensor (`torch.full`).
    Full(f32),
    /// Random numbers, which depend on (seed, stream, step, index) only.
    Random {
        /// Selects an independent sequence.
        stream: u32,
        /// Distribution of the numbers.
        distribution: Distribution,
    },
    /// Elementwise function of one tensor.
    Unary(Unary),
    /// Elementwise function of two tensors of equal shape.
    Binary(Binary),
    /// (c, a, b): a where c > 0, else b, element by element (`torch.where`).
    Select,
    /// The elements in another shape (`torch.reshape`).
    Reshape,
    /// The value of its argument; no gradient flows through it (`detach`).
    Detach,
    /// A range of indices of one axis (`torch.narrow`).
    Slice {
        /// The axis.
        axis: usize,
        /// First index.
        start: usize,
    },
    /// Zero padding along one axis; the adjoint of a slice.
    Pad {
        /// The axis.
        axis: usize,
        /// Number of zeros before the value.
        before: usize,
    },
    /// Concatenation along one axis (`torch.cat`).
    Concat {
        /// The axis.
        axis: usize,
    },
    /// Repetition along dimensions of length 1; shapes are aligned on the right (`expand`).
    Broadcast,
    /// Sum over dimensions, to a shape that broadcasts to that of the argument; the adjoint of a broadcast.
    SumTo,
    /// Matrix product of two matrices, each read transposed or not.
    MatMul {
        /// Whether the first matrix is read transposed.
        ta: bool,
        /// Whether the second matrix is read transposed.
        tb: bool,
    },
    /// Convolution of x `[b,h,w,i]` with a weight `[k,k,i,o]`, to y `[b,h',w',o]`.
    Conv(Window),
    /// Transposed convolution of y `[b,h',w',o]` with a weight `[k,k,i,o]`, to x `[b,h,w,i]`; the gradient of `Conv`
    /// with respect to its input.
    ConvInput(Window),
    /// Gradient of `Conv` with respect to its weight `[k,k,i,o]`, from x and the gradient of y.
    ConvWeight(Window),
    /// Depthwise convolution of x `[b,h,w,c]` with a weight `[k,k,c]`, to y `[b,h',w',c]`: each channel has a kernel of
    /// its own.
    Depthwise(Window),
    /// Gradient of `Depthwise` with respect to its input `[b,h,w,c]`, from the gradient of y `[b,h',w',c]` and a weight
    /// `[k,k,c]`.
    DepthwiseInput(Window),
    /// Gradient of `Depthwise` with respect to its weight `[k,k,c]`, from x and the gradient of y.
    DepthwiseWeight(Window),
    /// Nearest-neighbor upsampling by an integer factor: each pixel is repeated in both directions.
    Upsample(usize),
    /// Sums over squares of factor x factor pixels; the adjoint of `Upsample`. Dividing by factor² gives average
    /// pooling.
    SumPool(usize),
}

/// Builder methods. Each appends an operation and returns its node. They panic if shapes do not match.
impl Graph {
    /// f(x), element by element.
    pub fn unary(&mut self, f: Unary, x: NodeId) -> NodeId {
        self.push(Op::Unary(f), &[x], self.shape(x))
    }

    /// f(a, b), element by element. One of the two shapes must broadcast to the other.
    #[doc(hidden)]
    #[track_caller]
    pub fn binary(&mut self, f: Binary, a: NodeId, b: NodeId) -> NodeId {
        let (sa, sb) = (self.shape(a), self.shape(b));
        let to = if sa.broadcasts_to(sb) { sb } else { sa };
        let (a, b) = (self.broadcast(a, to), self.broadcast(b, to));
        self.push(Op::Binary(f), &[a, b], to)
    }

    /// a + b, element by element, with broadcasting.
    #[track_caller]
    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Add, a, b)
    }

    /// a - b, element by element, with broadcasting.
    #[track_caller]
    pub fn sub(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Sub, a, b)
    }

    /// a · b, element by element, with broadcasting.
    #[track_caller]
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Mul, a, b)
    }

    /// a / b, element by element, with broadcasting.
    #[track_caller]
    pub fn div(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.binary(Binary::Div, a, b)
    }

    /// `scale`·x + `offset`, with constants.
    pub fn affine(&mut self, x: NodeId, scale: f32, offset: f32) -> NodeId {
        self.unary(Unary::Affine { scale, offset }, x)
    }

    /// x², element by element.
    pub fn square(&mut self, x: NodeId) -> NodeId {
        self.mul(x, x)
    }

    /// `a` where `c` is positive, else `b`. `a` and `b` broadcast to the shape of `c`.
    #[doc(hidden)]
    #[track_caller]
    pub fn select(&mut self, c: NodeId, a: NodeId, b: NodeId) -> NodeId {
        let shape = self.shape(c);
        let (a, b) = (self.broadcast(a, shape), self.broadcast(b, shape));
        self.push(Op::Select, &[c, a, b], shape)
    }

    /// The elements of `x` in the shape `dims`, which must have the same number of elements.
    #[track_caller]
    pub fn reshape(&mut self, x: NodeId, dims: &[usize]) -> NodeId {
        let shape = Shape::new(dims);
        assert_eq!(self.shape(x).len(), shape.len(), "reshape of {:?} to {shape:?}", self.shape(x));
        if self.shape(x) == shape { x } else { self.push(Op::Reshape, &[x], shape) }
    }

    /// The value of `x` without its gradient: no gradient flows to `x`.
    pub fn detach(&mut self, x: NodeId) -> NodeId {
        self.push(Op::Detach, &[x], self.shape(x))
    }

    /// Indices `start..start + len` of one axis.
    #[track_caller]
    pub fn slice(&mut self, x: NodeId, axis: usize, start: usize, len: usize) -> NodeId {
        let shape = self.shape(x);
        assert!(start + len <= shape.dims()[axis], "slice {start}+{len} of axis {axis} of {shape:?}");
        if len == shape.dims()[axis] { x } else { self.push(Op::Slice { axis, start }, &[x], shape.with(axis, len)) }
    }

    /// Pads one axis with zeros to a length of `len`; `before` of the zeros precede the value.
    #[doc(hidden)]
    #[track_caller]
    pub fn pad(&mut self, x: NodeId, axis: usize, before: usize, len: usize) -> NodeId {
        let shape = self.shape(x);
        assert!(before + shape.dims()[axis] <= len, "pad of {shape:?} by {before} to {len}");
        if len == shape.dims()[axis] { x } else { self.push(Op::Pad { axis, before }, &[x], shape.with(axis, len)) }
    }

    /// Concatenates `parts` along one axis. All other dimensions must be equal.
    #[doc(hidden)]
    #[track_caller]
    pub fn concat(&mut self, parts: &[NodeId], axis: usize) -> NodeId {
        let shapes: Vec<_> = parts.iter().map(|&p| self.shape(p)).collect();
        let shape = shapes[0].with(axis, shapes.iter().map(|s| s.dims()[axis]).sum());
        assert!(shapes.iter().all(|s| s.with(axis, 1) == shape.with(axis, 1)), "concat of {shapes:?} along {axis}");
        if parts.len() == 1 { parts[0] } else { self.push(Op::Concat { axis }, parts, shape) }
    }

    /// Repeats `x` along its dimensions of length 1, to `shape`.
    #[doc(hidden)]
    #[track_caller]
    pub fn broadcast(&mut self, x: NodeId, shape: Shape) -> NodeId {
        assert!(self.shape(x).broadcasts_to(shape), "{:?} does not broadcast to {shape:?}", self.shape(x));
        if self.shape(x) == shape { x } else { self.push(Op::Broadcast, &[x], shape) }
    }

    /// Sums `x` to `shape`, which must broadcast to the shape of `x`.
    #[doc(hidden)]
    #[track_caller]
    pub fn sum_to(&mut self, x: NodeId, shape: Shape) -> NodeId {
        assert!(shape.broadcasts_to(self.shape(x)), "{:?} does not sum to {shape:?}", self.shape(x));
        if self.shape(x) == shape { x } else { self.push(Op::SumTo, &[x], shape) }
    }

    /// Sum of all elements: a scalar.
    pub fn sum(&mut self, x: NodeId) -> NodeId {
        self.sum_to(x, Shape::SCALAR)
    }

    /// Mean of all elements: a scalar.
    pub fn mean(&mut self, x: NodeId) -> NodeId {
        let n = self.shape(x).len() as f32;
        let sum = self.sum(x);
        self.affine(sum, 1.0 / n, 0.0)
    }

    /// Matrix product of `a` and `b`; `ta` and `tb` say whether each is read transposed.
    #[doc(hidden)]
    #[track_caller]
    pub fn matmul_t(&mut self, a: NodeId, b: NodeId, ta: bool, tb: bool) -> NodeId {
        let (sa, sb) = (self.shape(a), self.shape(b));
        assert!(sa.rank() == 2 && sb.rank() == 2, "matrix product of {sa:?} and {sb:?}");
        let (a0, a1) = if ta { (sa.dims()[1], sa.dims()[0]) } else { (sa.dims()[0], sa.dims()[1]) };
        let (b0, b1) = if tb { (sb.dims()[1], sb.dims()[0]) } else { (sb.dims()[0], sb.dims()[1]) };
        assert_eq!(a1, b0, "matrix product of {sa:?} and {sb:?}, transposed {ta} {tb}");
        self.push(Op::MatMul { ta, tb }, &[a, b], Shape::new(&[a0, b1]))
    }

    /// Matrix product of `a` `[m,k]` and `b` `[k,n]`: `[m,n]`.
    #[track_caller]
    pub fn matmul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.matmul_t(a, b, false, false)
    }

    /// Convolution of `x` `[b,h,w,i]` with `weight` `[k,k,i,o]`.
    #[doc(hidden)]
    #[track_caller]
    pub fn conv(&mut self, x: NodeId, weight: NodeId, window: Window) -> NodeId {
        let (sx, sw) = (self.shape(x), self.shape(weight));
        let (&[b, h, w, i], &[k, k2, wi, o]) = (sx.dims(), sw.dims()) else {
            panic!("convolution of {sx:?} by {sw:?}")
        };
        assert!(k == k2 && k == window.kernel && wi == i, "convolution of {sx:?} by {sw:?}, {window:?}");
        let (Some(oh), Some(ow)) = (window.output(h), window.output(w)) else {
            panic!("{window:?} does not fit images of shape {sx:?}")
        };
        self.push(Op::Conv(window), &[x, weight], Shape::new(&[b, oh, ow, o]))
    }

    /// Transposed convolution of `y` `[b,h',w',o]` with `weight` `[k,k,i,o]`, to images of `h` x `w` pixels with i
    /// channels.
    ///
    /// The size is an argument because several input sizes of a strided convolution have the same output size.
    #[doc(hidden)]
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

    /// Gradient of a convolution with respect to its weight, from its input `x` and the gradient `y` of its output.
    #[doc(hidden)]
    #[track_caller]
    pub fn conv_weight(&mut self, x: NodeId, y: NodeId, window: Window) -> NodeId {
        let (sx, sy) = (self.shape(x), self.shape(y));
        let (&[b, h, w, i], &[yb, oh, ow, o]) = (sx.dims(), sy.dims()) else {
            panic!("convolution weight gradient of {sx:?} and {sy:?}")
        };
        assert!(
            b == yb && window.output(h) == Some(oh) && window.output(w) == Some(ow),
            "convolution weight gradient of {sx:?} and {sy:?} by {window:?}"
        );
        self.push(Op::ConvWeight(window), &[x, y], Shape::new(&[window.kernel, window.kernel, i, o]))
    }

    /// Depthwise convolution of `x` `[b,h,w,c]` with `weight` `[k,k,c]`.
    #[doc(hidden)]
    #[track_caller]
    pub fn depthwise(&mut self, x: NodeId, weight: NodeId, window: Window) -> NodeId {
        let (sx, sw) = (self.shape(x), self.shape(weight));
        let (&[b, h, w, c], &[k, k2, wc]) = (sx.dims(), sw.dims()) else { panic!("depthwise {sx:?} by {sw:?}") };
        assert!(k == k2 && k == window.kernel && wc == c, "depthwise convolution of {sx:?} by {sw:?}, {window:?}");
        let (Some(oh), Some(ow)) = (window.output(h), window.output(w)) else {
            panic!("{window:?} does not fit images of shape {sx:?}")
        };
        self.push(Op::Depthwise(window), &[x, weight], Shape::new(&[b, oh, ow, c]))
    }

    /// Gradient of a depthwise convolution with respect to its input of `h` x `w` pixels, from the gradient `y` of its
    /// output.
    #[doc(hidden)]
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

    /// Gradient of a depthwise convolution with respect to its weight, from its input `x` and the gradient `y` of its
    /// output.
    #[doc(hidden)]
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

    /// Nearest-neighbor upsampling of `x` `[b,h,w,c]` to `[b,h·factor,w·factor,c]`.
    #[doc(hidden)]
    #[track_caller]
    pub fn upsample(&mut self, x: NodeId, factor: usize) -> NodeId {
        let shape = self.shape(x);
        let &[b, h, w, c] = shape.dims() else { panic!("upsampling of {shape:?}") };
        self.push(Op::Upsample(factor), &[x], Shape::new(&[b, h * factor, w * factor, c]))
    }

    /// Sums over squares of `factor` x `factor` pixels of `x` `[b,h,w,c]`. `factor` must divide h and w.
    #[doc(hidden)]
    #[track_caller]
    pub fn sum_pool(&mut self, x: NodeId, factor: usize) -> NodeId {
        let shape = self.shape(x);
        let &[b, h, w, c] = shape.dims() else { panic!("pooling of {shape:?}") };
        assert!(h % factor == 0 && w % factor == 0, "pooling of {shape:?} by {factor}");
        self.push(Op::SumPool(factor), &[x], Shape::new(&[b, h / factor, w / factor, c]))
    }
}
