//! Published ports of a server in a user namespace: its bridge is in a network of its own,
//! so what arrives at a port of the host is carried over by hand. It is, while the server
//! runs.

use crate::engine::Inner;
use crate::error::{Doing, EngineError};
use model::container::ContainerId;
use model::network::{Endpoint, PortMapping, Protocol};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket as StdUdpSocket};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A flow of datagrams that is silent this long is forgotten.
const SILENCE: Duration = Duration::from_secs(60);
/// A datagram has no more.
const DATAGRAM: usize = 65_535;
/// What a connection into a container may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Who carries for which container; dropped, that ends.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    by_container: Mutex<HashMap<ContainerId, DropGuard>>,
}

impl Proxies {
    pub(crate) fn end(&self, id: &ContainerId) {
        let mut all = self.by_container.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(id);
    }

    fn insert(&self, id: ContainerId, guard: DropGuard) {
        let mut all = self.by_container.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(id, guard);
    }
}

impl Inner {
    /// Publishes a container's ports, and carries what arrives where the kernel does not.
    /// Blocks.
    pub(crate) fn publish_ports(
        self: &Arc<Self>,
        id: &ContainerId,
        endpoint: &Endpoint,
        wanted: &[PortMapping],
    ) -> Result<Vec<PortMapping>, EngineError> {
        let published = self
            .network
            .publish(id, endpoint, wanted)
            .doing(|| "publish the ports".to_owned())?;
        if let Some(namespace) = self.network.namespace() {
            let carried = namespace
                .try_clone()
                .and_then(|namespace| self.carry(id, endpoint.address, namespace));
            if let Err(error) = carried {
                let _ = self.network.unpublish(id);
                return Err(error).doing(|| "serve the published ports".to_owned());
            }
        }
        Ok(published)
    }

    /// Gives a container's ports back. Blocks.
    pub(crate) fn unpublish_ports(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.proxies.end(id);
        self.network.unpublish(id).doing(|| "unpublish the ports".to_owned())
    }

    fn carry(self: &Arc<Self>, id: &ContainerId, address: Ipv4Addr, namespace: OwnedFd) -> io::Result<()> {
        let namespace = Arc::new(namespace);
        let stop = CancellationToken::new();
        let runtime = tokio::runtime::Handle::current();
        let _entered = runtime.enter();
        for (mapping, socket) in self.network.held(id)? {
            let inside = Inside {
                namespace: namespace.clone(),
                target: SocketAddrV4::new(address, mapping.container_port),
            };
            let (stop, ending) = (stop.clone(), self.ending.clone());
            match mapping.protocol {
                Protocol::Tcp => {
                    sys::host_port::listen(&socket)?;
                    let listener = std::net::TcpListener::from(socket);
                    listener.set_nonblocking(true)?;
                    let listener = TcpListener::from_std(listener)?;
                    self.tracker.spawn(async move {
                        tokio::select! {
                            () = accept(listener, inside, stop.clone()) => {}
                            () = stop.cancelled() => {}
                            () = ending.cancelled() => {}
                        }
                    });
                }
                Protocol::Udp => {
                    let socket = StdUdpSocket::from(socket);
                    socket.set_nonblocking(true)?;
                    let socket = Arc::new(UdpSocket::from_std(socket)?);
                    self.tracker.spawn(async move {
                        tokio::select! {
                            () = exchange(socket, inside, stop.clone()) => {}
                            () = stop.cancelled() => {}
                            () = ending.cancelled() => {}
                        }
                    });
                }
            }
        }
        self.proxies.insert(id.clone(), stop.drop_guard());
        Ok(())
    }
}

/// A port of a container, in the network of the bridge.
#[derive(Debug, Clone)]
struct Inside {
    namespace: Arc<OwnedFd>,
    target: SocketAddrV4,
}

impl Inside {
    async fn connect(&self) -> io::Result<tokio::net::TcpStream> {
        let inside = self.clone();
        let connected = tokio::task::spawn_blocking(move || {
            sys::network_namespace::within(inside.namespace.as_fd(), || {
                TcpStream::connect_timeout(&SocketAddr::V4(inside.target), CONNECT_LIMIT)
            })
        });
        let stream = connected.await.map_err(io::Error::other)???;
        stream.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(stream)
    }

    async fn flow(&self) -> io::Result<UdpSocket> {
        let inside = self.clone();
        let made = tokio::task::spawn_blocking(move || {
            sys::network_namespace::within(inside.namespace.as_fd(), || {
                let socket = StdUdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
                socket.connect(inside.target)?;
                socket.set_nonblocking(true)?;
                Ok::<_, io::Error>(socket)
            })
        });
        UdpSocket::from_std(made.await.map_err(io::Error::other)???)
    }
}

async fn accept(listener: TcpListener, inside: Inside, stop: CancellationToken) {
    loop {
        let mut outer = match listener.accept().await {
            Ok((outer, _)) => outer,
            Err(error) => {
                // Out of descriptors, mostly: others end meanwhile.
                tracing::warn!(%error, "cannot take a connection at a published port");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (inside, stop) = (inside.clone(), stop.clone());
        tokio::spawn(async move {
            let carried = async {
                let mut inner = inside.connect().await?;
                tokio::io::copy_bidirectional(&mut outer, &mut inner).await
            };
            tokio::select! {
                // Who is refused inside is refused outside: the connection closes.
                _ = carried => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

/// One flow for each sender, so that answers find back.
async fn exchange(outer: Arc<UdpSocket>, inside: Inside, stop: CancellationToken) {
    let mut flows: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut bytes = vec![0; DATAGRAM];
    loop {
        let Ok((count, sender)) = outer.recv_from(&mut bytes).await else {
            continue;
        };
        // A flow that nobody answers on any more is held by this list alone.
        flows.retain(|_, flow| Arc::strong_count(flow) > 1);
        let flow = match flows.get(&sender) {
            Some(flow) => flow.clone(),
            None => {
                let Ok(flow) = inside.flow().await.map(Arc::new) else {
                    continue;
                };
                flows.insert(sender, flow.clone());
                tokio::spawn(answer(outer.clone(), flow.clone(), sender, stop.clone()));
                flow
            }
        };
        let _ = flow.send(&bytes[..count]).await;
    }
}

async fn answer(outer: Arc<UdpSocket>, flow: Arc<UdpSocket>, sender: SocketAddr, stop: CancellationToken) {
    let mut bytes = vec![0; DATAGRAM];
    loop {
        let received = tokio::select! {
            received = tokio::time::timeout(SILENCE, flow.recv(&mut bytes)) => received,
            () = stop.cancelled() => return,
        };
        let Ok(Ok(count)) = received else { return };
        if outer.send_to(&bytes[..count], sender).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A namespace, and a port in it that `serve` has; `None` without root.
    fn inside<T: Send>(serve: impl FnOnce() -> (T, SocketAddr) + Send) -> Option<(Inside, T)> {
        if !sys::user::is_root() {
            println!("skipped: needs root");
            return None;
        }
        let namespace = Arc::new(network::empty_namespace().unwrap());
        let (served, address) = sys::network_namespace::within(namespace.as_fd(), serve).unwrap();
        let SocketAddr::V4(target) = address else {
            unreachable!()
        };
        Some((Inside { namespace, target }, served))
    }

    #[tokio::test]
    async fn datagrams_find_their_way_in_and_back() {
        let bound = inside(|| {
            let socket = StdUdpSocket::bind("127.0.0.1:0").unwrap();
            let address = socket.local_addr().unwrap();
            (socket, address)
        });
        let Some((inside, echo)) = bound else { return };
        std::thread::spawn(move || {
            let mut bytes = [0; 100];
            while let Ok((count, sender)) = echo.recv_from(&mut bytes) {
                let _ = echo.send_to(&bytes[..count], sender);
                if &bytes[..count] == b"last" {
                    break;
                }
            }
        });
        let outer = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let port = outer.local_addr().unwrap();
        let stop = CancellationToken::new();
        let carried = tokio::spawn(exchange(outer, inside, stop.clone()));
        for word in ["one", "two", "last"] {
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client.connect(port).await.unwrap();
            client.send(word.as_bytes()).await.unwrap();
            let mut bytes = [0; 100];
            let heard = tokio::time::timeout(CONNECT_LIMIT, client.recv(&mut bytes)).await;
            assert_eq!(&bytes[..heard.unwrap().unwrap()], word.as_bytes());
        }
        stop.cancel();
        carried.abort();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_that_is_refused_inside_closes_outside() {
        let bound = inside(|| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            (listener, address)
        });
        let Some((inside, served)) = bound else { return };
        let outer = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = outer.local_addr().unwrap();
        let stop = CancellationToken::new();
        let carried = tokio::spawn(accept(outer, inside, stop.clone()));
        let mut client = tokio::net::TcpStream::connect(port).await.unwrap();
        client.write_all(b"hello").await.unwrap();
        let (mut taken, _) = tokio::task::spawn_blocking(move || served.accept())
            .await
            .unwrap()
            .unwrap();
        let mut bytes = [0; 5];
        std::io::Read::read_exact(&mut taken, &mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        drop(taken);
        // Nobody listens inside any more.
        let mut client = tokio::net::TcpStream::connect(port).await.unwrap();
        let read = tokio::time::timeout(CONNECT_LIMIT, client.read(&mut bytes))
            .await
            .unwrap();
        assert!(matches!(read, Ok(0) | Err(_)));
        stop.cancel();
        carried.abort();
    }
}
