use std::collections::BTreeMap;

use super::super::tests::order_of;
use super::*;

fn fill(room: &mut Room, workspace: u128, orders: usize) {
    for _ in 0..orders {
        room.arrive(order_of(WorkspaceId(workspace), 1).0);
    }
}

fn picked(room: &mut Room) -> BTreeMap<u128, usize> {
    room.pick().into_iter().map(|pick| (pick.workspace.0, pick.orders.len())).collect()
}

#[test]
fn a_busy_workspace_takes_no_place_that_another_one_needs() {
    // In what packs well the busy one has the rest of the round; where little packs, a share of a batch.
    for (partitions, busy) in [(64, ROUND_ORDERS_MAX - 30), (257, GROUP_ORDERS_LEAST)] {
        let mut room = Room::new(partitions);
        fill(&mut room, 1, 5_000);
        for quiet in 2..12 {
            fill(&mut room, quiet, 3);
        }
        let round = picked(&mut room);
        assert_eq!(round[&1], busy);
        assert!((2..12).all(|quiet| round[&quiet] == 3), "{round:?}");
        assert_eq!(room.waiting(), 5_000 - busy);
    }
}

#[test]
fn a_workspace_without_a_place_is_the_first_of_the_next_round() {
    let mut room = Room::new(64);
    let all = ROUND_ORDERS_MAX as u128 + 5;
    for workspace in 0..all {
        fill(&mut room, workspace, 2);
    }
    let first = picked(&mut room);
    assert_eq!(first.values().sum::<usize>(), ROUND_ORDERS_MAX);
    let second: Vec<u128> = room.pick().into_iter().map(|pick| pick.workspace.0).collect();
    assert_eq!(second[..5], [all - 5, all - 4, all - 3, all - 2, all - 1]);
}

#[test]
fn a_flood_to_one_workspace_leaves_room_for_others() {
    let mut room = Room::new(64);
    fill(&mut room, 1, WORKSPACE_WAITING_MAX);
    let (order, mut answer) = order_of(WorkspaceId(1), 1);
    room.arrive(order);
    assert_eq!(answer.try_recv().unwrap(), Err(UNAVAILABLE));
    fill(&mut room, 2, 1);
    assert_eq!(room.waiting(), WORKSPACE_WAITING_MAX + 1);
}

#[test]
fn orders_set_aside_wait_without_a_turn_and_come_back_in_order() {
    let mut room = Room::new(64);
    fill(&mut room, 1, 3);
    let aside = room.pick().remove(0).orders;
    room.set_aside(WorkspaceId(1), aside);
    assert!(!room.has_ready() && room.pick().is_empty() && room.waiting() == 3);
    room.end_wait(WorkspaceId(1));
    let mut pick = room.pick();
    let orders = std::mem::take(&mut pick[0].orders);
    let messages: Vec<_> = orders.iter().map(|order| order.message).collect();
    room.give_back(WorkspaceId(1), orders);
    fill(&mut room, 1, 1);
    let again: Vec<_> = room.pick()[0].orders.iter().map(|order| order.message).collect();
    assert_eq!(again[..3], messages);
    assert_eq!((again.len(), room.waiting()), (4, 0));
}

#[test]
fn large_orders_of_one_workspace_leave_room_in_the_batch() {
    let mut room = Room::new(64);
    for _ in 0..100 {
        room.arrive(order_of(WorkspaceId(1), 60_000).0);
    }
    room.arrive(order_of(WorkspaceId(2), 60_000).0);
    let round = picked(&mut room);
    assert!(round[&1] * 60_000 <= GROUP_BYTES_MAX && round[&1] > 1, "{round:?}");
    assert_eq!(round[&2], 1);
}

#[test]
fn an_order_larger_than_a_share_is_still_taken() {
    let mut room = Room::new(64);
    room.arrive(order_of(WorkspaceId(1), GROUP_BYTES_MAX + 1).0);
    assert_eq!(picked(&mut room), BTreeMap::from([(1, 1)]));
}

#[test]
fn those_set_aside_count_and_are_refused_with_the_others() {
    let mut room = Room::new(64);
    let (order, mut answer) = order_of(WorkspaceId(1), 1);
    room.set_aside(WorkspaceId(1), vec![order]);
    fill(&mut room, 1, WORKSPACE_WAITING_MAX);
    assert_eq!(room.waiting(), WORKSPACE_WAITING_MAX);
    room.refuse_all();
    assert_eq!(answer.try_recv().unwrap(), Err(UNAVAILABLE));
    assert_eq!(room.waiting(), 0);
}
