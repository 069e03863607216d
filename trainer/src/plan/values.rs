//! The location and the live range of each value of a graph while groups are lowered.
use super::buffers::LiveRange;
use super::groups::Groups;
use super::{BufferView, Storage};
use crate::graph::{Graph, NodeId, Op};
use std::collections::HashMap;
use std::ops::Range;

/// Locations of values. Until buffers are assigned, `Storage::Slot` holds the index of a live range.
pub(super) struct Values<'g> {
    pub(super) graph: &'g Graph,
    pub(super) groups: &'g Groups,
    /// Position of each input node among the inputs.
    inputs: HashMap<NodeId, usize>,
    /// Live range of each stored value.
    range_of: HashMap<NodeId, usize>,
    ranges: Vec<LiveRange>,
    /// Position of the group that is being lowered.
    pub(super) at: usize,
    /// Whether the group belongs to a chain. Nothing is overwritten there: other blocks of rows may still be needed, and local
    /// buffers cost little memory.
    pub(super) in_chain: bool,
}

impl<'g> Values<'g> {
    /// Initially, only inputs and parameters have a location.
    pub(super) fn new(graph: &'g Graph, groups: &'g Groups) -> Self {
        let inputs = graph.inputs().iter().enumerate().map(|(i, (_, id))| (*id, i)).collect();
        Self { graph, groups, inputs, range_of: HashMap::new(), ranges: Vec::new(), at: 0, in_chain: false }
    }

    /// Where the value of `id` lies.
    pub(super) fn view(&self, id: NodeId) -> BufferView {
        let (node, offset) = self.groups.resolve(id);
        let storage = match self.graph.node(node).op {
            Op::Param(param) => Storage::Param(param),
            Op::Input => Storage::Input(self.inputs[&node]),
            _ => match self.groups.direct.get(&node) {
                Some(&param) => Storage::Param(param),
                None => Storage::Slot(self.range_of[&node]),
            },
        };
        BufferView { storage, offset, len: self.graph.shape(id).len() }
    }

    /// All live ranges.
    pub(super) fn ranges(&self) -> &[LiveRange] {
        &self.ranges
    }

    /// The live range of `id`, if it is stored in a slot.
    pub(super) fn range(&self, id: NodeId) -> Option<usize> {
        self.range_of.get(&id).copied()
    }

    /// Extends the live range `index` to all of `at`, at whose positions one kernel call runs.
    pub(super) fn cover(&mut self, index: usize, at: &Range<usize>) {
        let range = &mut self.ranges[index];
        if at.contains(&range.from) {
            range.from = at.start;
        }
        if at.contains(&range.to) {
            range.to = at.end - 1;
        }
    }

    /// Begins a live range for the value of `id`, unless it is written directly to the store.
    pub(super) fn begin_range(&mut self, id: NodeId) {
        if !self.groups.direct.contains_key(&id) {
            self.range_of.insert(id, self.ranges.len());
            self.ranges.push(LiveRange { len: self.graph.shape(id).len(), from: self.at, to: usize::MAX });
        }
    }

    /// Lets the value of `heir` overwrite that of `dying`, in the same live range.
    pub(super) fn pass_range(&mut self, dying: NodeId, heir: NodeId) {
        if let Some(range) = self.range_of.remove(&dying) {
            self.range_of.insert(heir, range);
        }
    }

    /// Ends the live range of `id` after the current group.
    pub(super) fn end_range(&mut self, id: NodeId) {
        if let Some(range) = self.range_of.get(&id) {
            self.ranges[*range].to = self.at;
        }
    }
}
