//! `kassa explain` and `kassa ops`, through the binary, on an installation with rows in it.

use runtime::queue::{Queue, QueueName};
use serde_json::Value;

use crate::rows::Installed;
use crate::support::Ran;

fn ids(list: &Value, name: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|it| it[name].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_explained_by_its_id_and_by_its_order() {
    let installed = Installed::new().await;
    let id = installed.payment("shop", "tea").await.to_string();
    let place = &installed.place;
    let by_id = place.run(&["explain", &id]);
    assert_eq!(by_id.code, 0, "{}", by_id.stderr);
    for word in [
        id.as_str(),
        "CLOSED",
        "alipay-main",
        "10.00 CNY",
        "payment PENDING_CREATE → CLOSED",
        "#1 payment.closed",
        "not published yet",
    ] {
        assert!(by_id.stdout.contains(word), "{word}: {}", by_id.stdout);
    }
    assert!(!by_id.stdout.contains('\u{1b}'), "no colours into a pipe");

    let story = place.run(&["explain", &id, "--json"]).json();
    assert_eq!(story["payments"][0]["transaction_id"], id.as_str());
    assert_eq!(story["payments"][0]["unpublished_events"], 1);
    assert_eq!(story["others"], serde_json::json!([]));
    for arguments in [
        ["explain", "tea", "--json"].as_slice(),
        &["explain", "tea", "--app", "shop", "--json"],
    ] {
        assert_eq!(place.run(arguments).json(), story, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_payments_of_an_order_the_newest_is_explained_or_all_are() {
    let installed = Installed::new().await;
    let first = installed.payment("shop", "tea").await.to_string();
    let other = installed.payment("other", "tea").await.to_string();
    let newest = installed.payment("shop", "tea").await.to_string();
    let place = &installed.place;
    let one = place.run(&["explain", "tea", "--json"]).json();
    let explained = ids(&one["payments"], "transaction_id");
    assert_eq!(explained, std::slice::from_ref(&newest));
    let others = [other.clone(), first.clone()];
    assert_eq!(ids(&one["others"], "transaction_id"), others);
    let all = place.run(&["explain", "tea", "--all", "--json"]).json();
    let expected = [newest.clone(), other, first.clone()];
    assert_eq!(ids(&all["payments"], "transaction_id"), expected);
    let of_shop = place.run(&["explain", "tea", "--app", "shop", "--all", "--json"]);
    let of_shop = ids(&of_shop.json()["payments"], "transaction_id");
    assert_eq!(of_shop, [newest, first.clone()]);
    let text = place.run(&["explain", "tea"]).stdout;
    assert!(text.starts_with("tea has 3 payments"), "{text}");
    assert!(text.contains(&first) && text.contains("--all"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_there_is_not_is_not_explained() {
    let installed = Installed::new().await;
    let id = installed.payment("shop", "tea").await.to_string();
    let place = &installed.place;
    let unknown = "0".repeat(32);
    for arguments in [
        ["explain", "coffee"].as_slice(),
        &["explain", &unknown],
        &["explain", "tea", "--app", "other"],
        &["explain", &id, "--app", "other"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 1, "{arguments:?}");
        let named = format!("no payment {}", arguments[1]);
        assert!(ran.stderr.contains(&named), "{}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    }
    for arguments in [
        ["explain", ""].as_slice(),
        &["explain", "tea", "--app", "Ü"],
    ] {
        assert_eq!(place.run(arguments).code, 2, "{arguments:?}");
    }
}

fn parked(ran: &Ran, name: &str) -> Vec<String> {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ids(&ran.json()[name], "message_id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parked_messages_are_listed_and_put_back_and_a_dry_run_does_nothing() {
    let installed = Installed::new().await;
    let place = &installed.place;
    let nothing = place.run(&["ops", "parked", "list"]);
    assert!(
        nothing.stdout.contains("nothing is parked"),
        "{}",
        nothing.stdout
    );
    let first = installed
        .parked(QueueName::Commands, "no such kind")
        .await
        .to_string();
    let second = installed
        .parked(QueueName::Commands, "no such kind")
        .await
        .to_string();
    let third = installed
        .parked(QueueName::Notifications, "unreadable")
        .await
        .to_string();

    let list = place.run(&["ops", "parked", "list"]);
    for word in [
        &first,
        &second,
        &third,
        "no such kind",
        "unreadable",
        "from.the.future.v9",
    ] {
        assert!(list.stdout.contains(word), "{word}: {}", list.stdout);
    }
    let of_commands = ["ops", "parked", "list", "--queue", "commands", "--json"];
    let both = [first.clone(), second.clone()];
    assert_eq!(parked(&place.run(&of_commands), "parked"), both);

    let dry = place.run(&["ops", "parked", "redrive", "--dry-run", "--json"]);
    let all = [third, first.clone(), second.clone()];
    assert_eq!(parked(&dry, "chosen"), all);
    assert_eq!(dry.json()["put_back"], serde_json::json!([]));
    assert_eq!(parked(&place.run(&of_commands), "parked"), both);
    assert_eq!(installed.audited().await, []);

    let one = place.run(&["ops", "parked", "redrive", &second, "--json"]);
    assert_eq!(one.json()["put_back"], serde_json::json!([second]));
    assert_eq!(parked(&place.run(&of_commands), "parked"), [first]);
    assert_eq!(installed.queue.depth(QueueName::Commands).await.unwrap(), 1);
    let redrive = ("cli".to_owned(), "parked.redrive".to_owned());
    assert_eq!(installed.audited().await, [redrive]);

    let again = place.run(&["ops", "parked", "redrive", &second]);
    assert_eq!(again.code, 1, "it is not parked any more");
    assert!(again.stdout.contains("is not parked"), "{}", again.stdout);
    let rest = place.run(&["ops", "parked", "redrive"]);
    assert!(rest.stdout.contains("2 put back"), "{}", rest.stdout);
    let bad = place.run(&["ops", "parked", "list", "--queue", "events"]);
    assert_eq!(bad.code, 2, "{}", bad.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsent_events_are_listed_and_published_and_a_dry_run_does_nothing() {
    let installed = Installed::new().await;
    let place = &installed.place;
    let first = installed.payment("shop", "tea").await.to_string();
    let second = installed.payment("other", "tea").await.to_string();
    let list = place.run(&["ops", "events", "list", "--json"]).json();
    assert_eq!(list["waiting_count"], 2);
    assert_eq!(ids(&list["rows"], "transaction_id"), [first, second]);
    assert_eq!(ids(&list["rows"], "app_id"), ["shop", "other"]);
    assert_eq!(list["rows"][0]["event_kind"], "payment.closed");
    assert_eq!(list["rows"][0]["held_by"], Value::Null);

    let dry = place.run(&["ops", "events", "redrive", "--dry-run"]);
    assert!(
        dry.stdout.contains("payment.closed for shop"),
        "{}",
        dry.stdout
    );
    assert!(dry.stdout.contains("nothing was done"), "{}", dry.stdout);
    assert_eq!(installed.store.outbox_backlog().await.unwrap().count, 2);

    let done = place.run(&["ops", "events", "redrive", "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.json()["published"], 2);
    assert_eq!(done.json()["left"]["waiting_count"], 0);
    assert_eq!(installed.store.outbox_backlog().await.unwrap().count, 0);
    let publish = ("cli".to_owned(), "outbox.publish".to_owned());
    assert_eq!(installed.audited().await, [publish]);
    let list = place.run(&["ops", "events", "list"]);
    assert!(list.stdout.contains("nothing waits"), "{}", list.stdout);
}
