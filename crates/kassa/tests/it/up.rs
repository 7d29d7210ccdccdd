//! `kassa up` as a process: it serves what it prints, and drains on SIGTERM.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use crate::support::Place;
use serde_json::Value;

/// A running `kassa up`; killed if the test fails.
struct Up {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    announced: Value,
}

impl Drop for Up {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().unwrap();
        }
    }
}

fn up(place: &Place) -> Up {
    let mut child = place
        .command(&["up", "--json", "--sandbox-listen", "127.0.0.1:0"])
        .env("KASSA__GRPC__LISTEN", "127.0.0.1:0")
        .env("KASSA__INGRESS__LISTEN", "127.0.0.1:0")
        .env("KASSA__TELEMETRY__LOG_FILTER", "warn")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let announced = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    Up {
        child,
        out,
        announced,
    }
}

impl Up {
    fn get(&self, address: &str, path: &str) -> String {
        let address = self.announced[address].as_str().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: kassa\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// SIGTERM, and the exit code that follows.
    fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn it_serves_what_it_prints_drains_on_sigterm_and_keeps_its_data() {
    let place = Place::new();
    let first = up(&place);
    assert!(
        first.get("admin", "/readyz").starts_with("HTTP/1.1 200"),
        "not ready"
    );
    assert!(
        first.get("admin", "/metrics").contains("kassa_"),
        "no metrics"
    );
    let grpcurl = first.announced["grpcurl"].as_str().unwrap();
    let token = first.announced["token"].as_str().unwrap();
    assert!(
        grpcurl.contains("-plaintext") && grpcurl.contains(token),
        "{grpcurl}"
    );
    assert_eq!(first.terminate(), Some(0));

    for private in ["", "keyring.key", "apps/demo.key.pem"] {
        let mode = std::fs::metadata(place.data().join(private))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{private} is open to others");
    }
    let accounts = place.run(&["channel", "list", "--json"]).json();
    let codes: Vec<_> = accounts
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["code"])
        .collect();
    let expected = [
        "alipay-cert-sandbox",
        "alipay-sandbox",
        "baidu-sandbox",
        "paypal-sandbox",
        "stripe-sandbox",
        "unionpay-sandbox",
        "wechat-pubkey-sandbox",
        "wechat-sandbox",
        "wechat-v2-sandbox",
    ];
    assert_eq!(codes, expected);
    let token = place.run(&["token", "--app", "demo"]);
    assert_eq!(token.code, 0, "{}", token.stderr);

    // The second start finds its keys, its app and its accounts, and says so to nobody but the log.
    let apps = place.run(&["app", "list", "--json"]).json();
    assert_eq!(up(&place).terminate(), Some(0));
    assert_eq!(place.run(&["app", "list", "--json"]).json(), apps);
    let doctor = place.run(&["doctor", "--json"]);
    assert_eq!(doctor.code, 0, "{}", doctor.stdout);
}
