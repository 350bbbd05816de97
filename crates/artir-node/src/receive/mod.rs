//! Receiving: the listener, associations, and objects on their way to the disk.

mod association;
mod classes;
mod store;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use self::association::serve;
use crate::{Error, state::Node};

/// Connections above the limit that are told so. Beyond them, connections are closed without a word.
const REJECTED_AT_A_TIME: usize = 16;
/// After an error of the listener, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// Connections that are open, by address.
#[derive(Default)]
struct Connections(Mutex<HashMap<IpAddr, usize>>);

/// A connection that counts until it is dropped.
struct Place {
    connections: Arc<Connections>,
    address: IpAddr,
    /// Whether there is room for an association.
    served: bool,
}

impl Connections {
    /// A place for a connection; `None` if it is one too many even to be rejected.
    fn enter(self: &Arc<Self>, address: IpAddr, most: usize, most_of_address: usize) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open: usize = all.values().sum();
        let of_address = all.get(&address).copied().unwrap_or(0);
        if open >= most + REJECTED_AT_A_TIME || of_address >= most_of_address + REJECTED_AT_A_TIME {
            return None;
        }
        *all.entry(address).or_default() += 1;
        let served = open < most && of_address < most_of_address;
        Some(Place { connections: Arc::clone(self), address, served })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.connections.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// Binds the address of associations.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|source| Error::Listen { address: address.to_string(), source })
}

/// Accepts connections until the node stops, each in a thread of its own.
pub(crate) fn listen(node: &Arc<Node>, listener: &TcpListener) {
    let connections = Arc::new(Connections::default());
    loop {
        let accepted = listener.accept();
        if node.stops() {
            break;
        }
        match accepted {
            Ok((socket, peer)) => {
                if let Err(e) = start(node, &connections, socket, peer) {
                    tracing::warn!("no thread for a connection: {e}");
                    thread::sleep(PAUSE);
                }
            }
            Err(e) => {
                tracing::warn!("cannot accept a connection: {e}");
                thread::sleep(PAUSE);
            }
        }
    }
    // Associations see that the node stops, and end within moments.
    for _ in 0..100 {
        if connections.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn start(node: &Arc<Node>, connections: &Arc<Connections>, socket: TcpStream, peer: SocketAddr) -> io::Result<()> {
    let listen = &node.config().listen;
    let Some(place) = connections.enter(peer.ip().to_canonical(), listen.associations, listen.associations_per_address)
    else {
        node.metrics.rejected("limit");
        return Ok(());
    };
    let node = Arc::clone(node);
    let begin = move || {
        serve(&node, socket, peer.ip(), place.served);
        drop(place);
    };
    thread::Builder::new().name("association".into()).stack_size(512 << 10).spawn(begin).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_in_all_and_by_address() {
        let connections = Arc::new(Connections::default());
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let one = connections.enter(address(1), 2, 1).unwrap();
        let second_of_one = connections.enter(address(1), 2, 1).unwrap();
        assert!(one.served && !second_of_one.served);
        drop(one);
        drop(second_of_one);
        assert!(connections.0.lock().unwrap().is_empty());
        let most = 2;
        let all: Vec<_> = (0..40).map(|n| connections.enter(address(n), most, 1)).collect();
        assert_eq!(all.iter().flatten().filter(|place| place.served).count(), most);
        assert_eq!(all.iter().flatten().count(), most + REJECTED_AT_A_TIME);
    }
}
