// SPDX-License-Identifier: MIT OR Apache-2.0

//! Senders learn and look up stations while a port goes away, on a table of a single entry.

use crate::{
    atomic::AtomicU64,
    every_interleaving,
    table::{Mac, Table},
};
use loom::{sync::Arc, thread};

/// Stations that both belong into the first entry; the tests below would fail at once if not.
const A: Mac = Mac::new(0x262);
const B: Mac = Mac::new(0xc7a);

type Small = Arc<Table<Vec<AtomicU64>>>;

/// A table of one entry, after what was `learned` before the threads begin.
fn table(learned: &[(Mac, u8)]) -> Small {
    let table = Table::new(vec![AtomicU64::new(0)]);
    for &(mac, port) in learned {
        table.learn(mac, port);
        assert!(table.knows(mac, port));
        assert_eq!(table.find(mac), Some(port));
    }
    Arc::new(table)
}

fn spawn(table: &Small, run: impl FnOnce(&Small) + 'static) -> thread::JoinHandle<()> {
    let table = table.clone();
    thread::spawn(move || run(&table))
}

#[test]
fn nobody_is_found_behind_a_port_where_he_was_never_heard() {
    every_interleaving(None, || {
        let table = table(&[(A, 1)]);
        let threads = [
            spawn(&table, |table| {
                table.learn(B, 2);
                table.learn(A, 3);
            }),
            spawn(&table, |table| table.forget(2)),
        ];
        for _ in 0..2 {
            assert!(matches!(table.find(A), None | Some(1 | 3)));
            assert!(matches!(table.find(B), None | Some(2)));
        }
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((table.find(A), table.find(B)), (Some(3), None));
    });
}

#[test]
fn two_stations_that_share_an_entry_never_mix() {
    every_interleaving(None, || {
        let table = table(&[]);
        let threads = [(A, 1), (B, 2)].map(|(mac, port)| {
            spawn(&table, move |table| {
                table.learn(mac, port);
                assert!(matches!(table.find(mac), None | Some(_)));
                table.learn(mac, port + 2);
            })
        });
        for _ in 0..2 {
            assert!(matches!(table.find(A), None | Some(1 | 3)));
            assert!(matches!(table.find(B), None | Some(2 | 4)));
        }
        for thread in threads {
            thread.join().unwrap();
        }
        // Who came last is known, at his last port.
        let last = (table.find(A), table.find(B));
        assert!(
            matches!(last, (Some(3), None) | (None, Some(4))),
            "{last:?}"
        );
    });
}

#[test]
fn what_is_learned_anew_while_the_old_port_goes_away_is_kept() {
    every_interleaving(None, || {
        let table = table(&[(A, 1)]);
        let learner = spawn(&table, |table| table.learn(A, 2));
        table.forget(1);
        learner.join().unwrap();
        assert_eq!(table.find(A), Some(2));
    });
}

#[test]
fn a_port_that_is_forgotten_is_not_found_again_by_anybody_who_comes_later() {
    every_interleaving(None, || {
        let table = table(&[(A, 1)]);
        let others = spawn(&table, |table| {
            table.learn(B, 2);
            assert!(matches!(table.find(A), None | Some(1)));
        });
        table.forget(1);
        assert_eq!(table.find(A), None);
        others.join().unwrap();
        assert_eq!((table.find(A), table.find(B)), (None, Some(2)));
    });
}

#[test]
fn two_ports_that_go_away_at_once_take_their_own_stations_only() {
    every_interleaving(None, || {
        let table = table(&[(A, 1)]);
        let threads = [
            spawn(&table, |table| table.forget(1)),
            spawn(&table, |table| table.learn(B, 3)),
        ];
        table.forget(2);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!((table.find(A), table.find(B)), (None, Some(3)));
    });
}

#[test]
fn who_gets_the_number_of_a_port_that_went_away_is_not_taken_for_it() {
    every_interleaving(None, || {
        let table = table(&[(A, 1)]);
        let leaves = table.clone();
        let newcomer = thread::spawn(move || {
            leaves.forget(1);
            leaves.now()
        });
        // A sender may stand still between its look at the table and its look at the ports.
        let asked = table.now();
        let found = table.find(A);
        let since = newcomer.join().unwrap();
        assert!(found.is_none() || asked < since, "{found:?} by {asked:?}");
        assert!(since <= table.now(), "those who ask later find him");
    });
}
