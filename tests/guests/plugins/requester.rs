//! For `{n, subject}` on `requester.go`, sends the numbers below n as requests, all at
//! once, and answers with how many came back unchanged: `{ok, wrong, errors}`.

use std::cell::RefCell;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

#[derive(Deserialize)]
struct Go {
    n: u64,
    subject: String,
}

#[derive(Default, Serialize)]
struct Report {
    ok: u64,
    wrong: u64,
    errors: u64,
}

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("requester.go", None, move |message: Message| {
        let Go { n, subject } = message.json()?;
        let report = Rc::new(RefCell::new(Report::default()));
        let message = Rc::new(message);
        for number in 0..n {
            let number = number.to_string();
            let (report, message) = (Rc::clone(&report), Rc::clone(&message));
            nats.request(&subject, number.clone(), move |answer| {
                let mut report = report.borrow_mut();
                match answer {
                    Ok(answer) if answer.payload() == number.as_bytes() => report.ok += 1,
                    Ok(_) => report.wrong += 1,
                    Err(_) => report.errors += 1,
                }
                if report.ok + report.wrong + report.errors == n {
                    message.respond_json(&*report).expect("a report");
                }
            })?;
        }
        Ok::<_, Error>(())
    })?;
    Ok(())
}
