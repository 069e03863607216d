//! The order of the groups: a topological order in which, among the groups that are ready, the oldest runs first.
use super::groups::Groups;
use crate::graph::Graph;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Indices of the groups in the order in which they run.
pub(crate) fn order(graph: &Graph, groups: &Groups) -> Vec<usize> {
    let n = groups.members.len();
    let needs: Vec<_> = (0..n).map(|g| groups.needs(graph, g)).collect();
    let mut missing: Vec<_> = needs.iter().map(Vec::len).collect();
    let mut users = vec![Vec::new(); n];
    for (g, needs) in needs.iter().enumerate() {
        needs.iter().for_each(|&p| users[p].push(g));
    }
    // The age of a group is that of its newest member, so a fused group runs when its last value is due.
    let age = |g: usize| Reverse((groups.members[g].last().copied(), g));
    let mut ready: BinaryHeap<_> = (0..n).filter(|&g| missing[g] == 0).map(age).collect();
    let mut order = Vec::with_capacity(n);
    while let Some(Reverse((_, g))) = ready.pop() {
        order.push(g);
        for &user in &users[g] {
            missing[user] -= 1;
            if missing[user] == 0 {
                ready.push(age(user));
            }
        }
    }
    assert_eq!(order.len(), n, "the groups have a cyclic dependency");
    order
}
