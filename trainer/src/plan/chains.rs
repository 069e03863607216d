//! Finds the chains of a program, and the order of the groups in which their members follow each other.
use super::Kernel;
use super::chain::{MAX_INPUTS, MAX_MEMBERS, MAX_OUTPUTS, MAX_SUMS, tasks};
use super::fuse::{is_elementwise, is_row_product, walked_shape};
use super::groups::{Groups, NodeRole};
use crate::graph::{Graph, NodeId, Op};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Floating-point operations up to which a single task is enough.
const MAX_FLOPS_OF_ONE_TASK: f64 = 2e6;

/// A chain in the order of the groups.
pub(super) struct ChainRun {
    /// Positions of its groups.
    pub(super) at: Range<usize>,
    pub(super) rows: usize,
    /// First row and number of rows of each group.
    pub(super) members: Vec<(usize, usize)>,
}

/// Moves the members of each chain to the same place in `order`. Programs with convolutions have no chains, and neither have
/// those with products outside of chains: most of their activations are stored anyway.
pub(super) fn chained(
    graph: &Graph,
    outputs: &[NodeId],
    groups: &Groups,
    order: Vec<usize>,
) -> (Vec<usize>, Vec<ChainRun>) {
    let roots = outputs.iter().copied().chain(graph.guards().iter().map(|g| g.1)).collect();
    if graph.ids().any(|id| groups.role[id.index()] == NodeRole::Computed && is_convolution(graph.node(id).op)) {
        return (order, Vec::new());
    }
    let mut search = Search { graph, roots, groups, order: Vec::with_capacity(order.len()), runs: Vec::new() };
    search.add(order.clone());
    let chained = |g: &usize| search.runs.iter().any(|run| search.order[run.at.clone()].contains(g));
    let products = graph.ids().filter(|&id| groups.role[id.index()] == NodeRole::Computed && search.is_product(id));
    if products.into_iter().all(|id| chained(&groups.of[id.index()])) {
        (search.order, search.runs)
    } else {
        (order, Vec::new())
    }
}

/// Whether `op` belongs to image networks, whose layers fill the caches by themselves.
fn is_convolution(op: Op) -> bool {
    matches!(
        op,
        Op::Conv(_)
            | Op::ConvInput(_)
            | Op::ConvWeight(_)
            | Op::Depthwise(_)
            | Op::DepthwiseInput(_)
            | Op::DepthwiseWeight(_)
    )
}

/// The groups of a chain that is growing.
struct Candidate {
    rows: usize,
    /// First row and number of rows of each group.
    members: HashMap<usize, (usize, usize)>,
}

struct Search<'g> {
    graph: &'g Graph,
    /// Program outputs and guarded values.
    roots: Vec<NodeId>,
    groups: &'g Groups,
    order: Vec<usize>,
    runs: Vec<ChainRun>,
}

impl Search<'_> {
    /// Appends groups to the order. `todo` is a topological order of them.
    fn add(&mut self, mut todo: Vec<usize>) {
        loop {
            let seeds = (0..todo.len()).filter(|&i| self.groups.members[todo[i]].iter().any(|&m| self.is_product(m)));
            let Some(chain) = seeds.into_iter().find_map(|i| self.grow(&todo[i..])) else {
                return self.order.extend(todo);
            };
            let member = |g: &usize| chain.members.contains_key(g);
            let (before, after) = self.needed(&todo, &chain);
            debug_assert_eq!(before.len() + after.len() + chain.members.len(), todo.len());
            self.add(before);
            let start = self.order.len();
            self.order.extend(todo.iter().copied().filter(member));
            let at = start..self.order.len();
            let members = self.order[at.clone()].iter().map(|g| chain.members[g]).collect();
            self.runs.push(ChainRun { at, rows: chain.rows, members });
            todo = after;
        }
    }

    /// The groups of `todo` that members need, and those that they do not need.
    fn needed(&self, todo: &[usize], chain: &Candidate) -> (Vec<usize>, Vec<usize>) {
        let mut needed = HashSet::new();
        for &g in todo.iter().rev() {
            if chain.members.contains_key(&g) || needed.contains(&g) {
                needed.extend(self.groups.needs(self.graph, g));
            }
        }
        todo.iter().copied().filter(|g| !chain.members.contains_key(g)).partition(|g| needed.contains(g))
    }

    fn is_product(&self, id: NodeId) -> bool {
        matches!(self.graph.node(id).op, Op::MatMul { .. })
    }

    /// The chain that begins with the first group of `todo`, if it is worth the effort.
    fn grow(&self, todo: &[usize]) -> Option<Candidate> {
        let &seed = todo.first()?;
        let rows = self.rows(seed)?;
        let mut chain = Candidate { rows, members: HashMap::from([(seed, (0, rows))]) };
        let (mut after, mut sums) = (HashSet::new(), self.sums_len(seed));
        for &g in &todo[1..] {
            let needs = self.groups.needs(self.graph, g);
            if !needs.iter().any(|n| chain.members.contains_key(n) || after.contains(n)) {
                continue;
            }
            let place = self.place(g, &chain).filter(|_| !needs.iter().any(|n| after.contains(n)));
            match place {
                Some(place) if chain.members.len() < MAX_MEMBERS && sums + self.sums_len(g) <= MAX_SUMS => {
                    sums += self.sums_len(g);
                    chain.members.insert(g, place);
                }
                _ => {
                    after.insert(g);
                }
            }
        }
        let nodes = || chain.members.keys().flat_map(|&g| &self.groups.members[g]);
        let products = nodes().filter(|&&m| self.is_product(m)).count();
        let flops = nodes().map(|&m| self.flops(m)).sum();
        let parallel = flops <= MAX_FLOPS_OF_ONE_TASK || tasks(rows, flops) > 1;
        (products > 1 && parallel && self.fits(&chain)).then_some(chain)
    }

    /// Whether a kernel call can have as many inputs and outputs as `chain`, and most values by rows stay inside. Stored
    /// values pass through memory, as they do without a chain.
    fn fits(&self, chain: &Candidate) -> bool {
        let inside = |id: NodeId| self.group_of(id).is_some_and(|g| chain.members.contains_key(&g));
        let (mut inputs, mut outputs) = (HashSet::new(), HashSet::new());
        outputs.extend(self.roots.iter().map(|&r| self.groups.resolve(r).0).filter(|&r| inside(r)));
        for id in self.graph.ids().filter(|id| self.groups.role[id.index()] == NodeRole::Computed) {
            let reader_inside = inside(id);
            if reader_inside && self.width(id).is_none() {
                outputs.insert(id);
            }
            for &arg in &self.graph.node(id).args {
                let (mut base, _) = self.groups.resolve(arg);
                if self.groups.role[base.index()] == NodeRole::Inlined {
                    let Some(&source) = self.graph.node(base).args.first() else { continue };
                    base = self.groups.resolve(source).0;
                }
                match (reader_inside, inside(base)) {
                    (true, false) => _ = inputs.insert(arg),
                    (false, true) => _ = outputs.insert(base),
                    _ => {}
                }
            }
        }
        let width = |id: &NodeId| self.width(*id).unwrap_or(0);
        let values = chain.members.keys().flat_map(|&g| &self.groups.members[g]);
        let all: usize = values.filter(|id| self.groups.stored[id.index()]).map(width).sum();
        let stored: usize = outputs.iter().map(width).sum();
        inputs.len() <= MAX_INPUTS && outputs.len() <= MAX_OUTPUTS && 2 * stored <= all
    }

    /// Number of rows of a group that a chain can contain.
    fn rows(&self, g: usize) -> Option<usize> {
        let members = &self.groups.members[g];
        let node = self.graph.node(*members.first()?);
        let rows = match node.op {
            Op::MatMul { ta: true, tb: false } => self.graph.shape(node.args[0]).dims()[0],
            Op::Pad { axis: 0, .. } => node.shape.dims()[0],
            _ => walked_shape(self.graph, members).filter(|s| s.rank() >= 2)?.dims()[0],
        };
        let writes_store = members.iter().any(|m| self.groups.direct.contains_key(m));
        (rows > 1 && !writes_store).then_some(rows)
    }

    /// Number of elements that a group sums over rows.
    fn sums_len(&self, g: usize) -> usize {
        let summed = |&m: &NodeId| match self.graph.node(m).op {
            Op::SumTo | Op::MatMul { ta: true, .. } => self.graph.shape(m).len(),
            _ => 0,
        };
        self.groups.members[g].iter().map(summed).sum()
    }

    fn flops(&self, id: NodeId) -> f64 {
        if self.is_product(id) { Kernel::of_node(self.graph, id).flops() } else { 0.0 }
    }

    /// First row and number of rows of group `g` in `chain`; `None` if it cannot join, because it reads the chain in another way than row
    /// by row, or at different rows.
    fn place(&self, g: usize, chain: &Candidate) -> Option<(usize, usize)> {
        let rows = self.rows(g)?;
        let mut first = None;
        for &m in &self.groups.members[g] {
            let node = self.graph.node(m);
            for (k, &arg) in node.args.iter().enumerate() {
                let (mut base, mut offset) = self.groups.resolve(arg);
                if self.groups.role[base.index()] == NodeRole::Inlined {
                    let Some(&source) = self.graph.node(base).args.first() else { continue };
                    let repeated = !matches!(self.graph.node(base).op, Op::Unary(_));
                    (base, offset) = self.groups.resolve(source);
                    if repeated {
                        match self.group_of(base) {
                            Some(source) if chain.members.contains_key(&source) => return None,
                            _ => continue,
                        }
                    }
                }
                let Some(source) = self.group_of(base).filter(|&s| s != g) else { continue };
                let Some(&(source_first, _)) = chain.members.get(&source) else { continue };
                let arg_rows = match node.op {
                    Op::MatMul { ta: false, .. } if k == 1 => return None,
                    Op::Pad { .. } => self.graph.shape(arg).dims()[0],
                    _ => rows,
                };
                let width = self.width(base)?;
                if arg_rows * width != self.graph.shape(arg).len() || offset % width != 0 {
                    return None;
                }
                let before = if let Op::Pad { before, .. } = node.op { before } else { 0 };
                let row = (source_first + offset / width).checked_sub(before)?;
                if *first.get_or_insert(row) != row {
                    return None;
                }
            }
        }
        first.filter(|first| first + rows <= chain.rows).map(|first| (first, rows))
    }

    fn group_of(&self, base: NodeId) -> Option<usize> {
        self.groups.group_of(self.graph, base)
    }

    /// Elements per row of a value that a chain computes row by row.
    fn width(&self, id: NodeId) -> Option<usize> {
        let by_rows = is_elementwise(self.graph.node(id).op)
            || is_row_product(self.graph, id)
            || matches!(self.graph.node(id).op, Op::Pad { .. });
        let shape = self.graph.shape(id);
        by_rows.then(|| shape.len() / shape.dims()[0])
    }
}
