//! The broker, and the ports that the roles listen on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lapin::{Connection, ConnectionProperties};
use runtime::config::{Config, QueueKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::report::{Check, Report};

/// How long a server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the broker and opens a channel; declares nothing.
pub(super) async fn broker(config: &Config, report: &mut Report) {
    const NAME: &str = "broker";
    if config.queue.kind() == QueueKind::Embedded {
        report.add(Check::ok(NAME, "none: the queue is in the database"));
        return;
    }
    let Some(url) = &config.queue.amqp_url else {
        report.add(Check::broken(
            NAME,
            "queue.amqp_url is missing",
            "amqp://user:password@host/%2f",
        ));
        return;
    };
    let properties = ConnectionProperties::default().with_connection_name("kassa doctor".into());
    let answered = timeout(ANSWER_TIMEOUT, async {
        let connection = Connection::connect(url.secret().expose(), properties).await?;
        connection.create_channel().await?;
        connection.close(200, "OK".into()).await
    });
    let effective = config.effective();
    let shown = effective
        .pointer("/queue/amqp_url")
        .and_then(|url| url.as_str());
    let shown = shown.unwrap_or_default();
    let mend = format!("start it, or correct queue.amqp_url (now {shown})");
    report.add(match answered.await {
        Ok(Ok(())) => Check::ok(NAME, format!("{shown} answers")),
        Ok(Err(error)) => Check::failed(NAME, &error, mend),
        Err(_elapsed) => {
            let seen = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
            Check::broken(NAME, seen, mend)
        }
    });
}

/// Whether each listener's port is free, or somebody listens there.
pub(super) async fn ports(config: &Config, report: &mut Report) {
    let listeners = [
        ("grpc.listen", config.grpc.listen),
        ("ingress.listen", config.ingress.listen),
        ("admin.listen", config.admin.listen),
    ];
    for (key, address) in listeners {
        report.add(port(key, address).await);
    }
}

async fn port(key: &str, address: SocketAddr) -> Check {
    if address.port() == 0 {
        return Check::ok(key, "takes a free port at every start");
    }
    match TcpListener::bind(address).await {
        Ok(_free) => Check::ok(key, format!("{address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let connected = timeout(ANSWER_TIMEOUT, TcpStream::connect(address)).await;
            let seen = match connected {
                Ok(Ok(_stream)) => format!("{address} is in use: somebody listens there"),
                Ok(Err(_)) | Err(_) => format!("{address} is in use, and nobody answers"),
            };
            Check::advised(
                key,
                seen,
                format!("nothing if it is Kassa; otherwise change {key}"),
            )
        }
        Err(error) => {
            let seen = format!("{address} cannot be listened on: {error}");
            Check::broken(key, seen, format!("an address of this machine in {key}"))
        }
    }
}
