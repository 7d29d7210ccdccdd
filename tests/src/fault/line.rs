//! A line between two programs: a TCP proxy that can be cut, slowed, blocked and half-closed, as
//! cables, switches and firewalls do it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// Bytes that are passed on at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Blows that a connection may be behind with: one that is further behind takes the next one.
const BLOWS_MAX: usize = 64;
/// How long accepting rests after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Which end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The program that connected.
    Caller,
    /// The program that it reached.
    Server,
}

/// What happens once to connections that are open.
#[derive(Debug, Clone, Copy)]
enum Blow {
    /// They end.
    Cut,
    /// This end is told that the other one has nothing more to say, while it is still heard.
    HalfClose(End),
}

/// What a line is like until it is changed.
#[derive(Debug, Clone, Copy)]
struct Weather {
    /// Whether connections are possible.
    is_up: bool,
    /// Whether anything gets through.
    is_flowing: bool,
    /// How much later everything arrives.
    delay: Duration,
}

const FAIR: Weather = Weather {
    is_up: true,
    is_flowing: true,
    delay: Duration::ZERO,
};

/// A line. Ends with everything on it when it is dropped.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    /// A blow, and that it hits every so-many-th connection.
    blows: broadcast::Sender<(Blow, u64)>,
    accepting: JoinHandle<()>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut(1);
    }
}

impl Line {
    /// A line to the first of `targets` (`host:port`) that answers; each new connection begins with
    /// the next one.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn to(targets: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (weather, _) = watch::channel(FAIR);
        let (blows, _) = broadcast::channel(BLOWS_MAX);
        let (sky, thunder) = (weather.clone(), blows.clone());
        let accepting = tokio::spawn(async move {
            let targets: Arc<[String]> = targets.into();
            let count = AtomicU64::new(0);
            loop {
                let Ok((caller, _peer)) = listener.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let number = count.fetch_add(1, Ordering::Relaxed);
                let (targets, weather) = (Arc::clone(&targets), sky.subscribe());
                let blows = thunder.subscribe();
                tokio::spawn(async move {
                    carry(caller, &targets, number, weather, blows).await;
                });
            }
        });
        Self {
            address,
            weather,
            blows,
            accepting,
        }
    }

    /// Where callers connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every `nth` open connection; 1 is all.
    pub fn cut(&self, nth: u64) {
        self.strike(Blow::Cut, nth);
    }

    /// Tells one end of every `nth` open connection that the other one will say no more.
    pub fn half_close(&self, end: End, nth: u64) {
        self.strike(Blow::HalfClose(end), nth);
    }

    /// Ends all connections, and every new one at once, until [`Line::mend`].
    pub fn take_down(&self) {
        self.weather.send_modify(|weather| weather.is_up = false);
        self.cut(1);
    }

    /// Nothing gets through any more, and nobody is told, until [`Line::mend`].
    pub fn block(&self) {
        self.weather
            .send_modify(|weather| weather.is_flowing = false);
    }

    /// Everything arrives so much later until [`Line::mend`].
    pub fn slow_down(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Fair weather again.
    pub fn mend(&self) {
        self.weather.send_replace(FAIR);
    }

    fn strike(&self, blow: Blow, nth: u64) {
        // Nobody listens where no connection is open.
        if self.blows.send((blow, nth.max(1))).is_err() {
            tracing::debug!("no connection is open");
        }
    }
}

async fn carry(
    caller: TcpStream,
    targets: &[String],
    number: u64,
    weather: watch::Receiver<Weather>,
    mut blows: broadcast::Receiver<(Blow, u64)>,
) {
    if !weather.borrow().is_up {
        return;
    }
    let Some(server) = connect(targets, number).await else {
        return;
    };
    for stream in [&caller, &server] {
        if stream.set_nodelay(true).is_err() {
            return;
        }
    }
    let (from_caller, to_caller) = caller.into_split();
    let (from_server, to_server) = server.into_split();
    let (to_server_ends, server_ended) = watch::channel(false);
    let (to_caller_ends, caller_ended) = watch::channel(false);
    let onward = pass_on(from_caller, to_server, weather.clone(), server_ended);
    let back = pass_on(from_server, to_caller, weather, caller_ended);
    let both = async {
        tokio::join!(onward, back);
    };
    tokio::pin!(both);
    loop {
        tokio::select! {
            () = &mut both => return,
            blow = blows.recv() => match blow {
                Ok((_, nth)) if number.checked_rem(nth) != Some(0) => {}
                Ok((Blow::Cut, _)) | Err(broadcast::error::RecvError::Closed) => return,
                Ok((Blow::HalfClose(End::Server), _)) => { to_server_ends.send_replace(true); }
                Ok((Blow::HalfClose(End::Caller), _)) => { to_caller_ends.send_replace(true); }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
            },
        }
    }
}

async fn connect(targets: &[String], number: u64) -> Option<TcpStream> {
    let count = u64::try_from(targets.len()).ok()?;
    let first = usize::try_from(number.checked_rem(count)?).ok()?;
    let (before, from) = targets.split_at_checked(first)?;
    for target in from.iter().chain(before) {
        if let Ok(stream) = TcpStream::connect(target).await {
            return Some(stream);
        }
    }
    None
}

/// Passes on what comes until it ends, or until the receiving end is told that nothing more comes.
async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    mut ended: watch::Receiver<bool>,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = tokio::select! {
            biased;
            _told = ended.wait_for(|ended| *ended) => 0,
            read = from.read(&mut chunk) => read.unwrap_or_default(),
        };
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            break;
        };
        let delay = match weather.wait_for(|weather| weather.is_flowing).await {
            Ok(weather) => weather.delay,
            Err(_gone) => break,
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(bytes).await.is_err() {
            break;
        }
    }
    // The other end may have gone first.
    if to.shutdown().await.is_err() {
        tracing::debug!("the line had ended");
    }
}
