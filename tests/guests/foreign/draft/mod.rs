//! A handler for the shape that two packages share: does what the first word of a
//! message says.

/// Implements the handler with the interfaces of one of the packages.
macro_rules! handler {
    ($package:ident) => {
        use std::sync::atomic::{AtomicU32, Ordering};
        use std::time::Duration;

        use exports::$package::messaging::incoming_handler::Guest;
        use $package::messaging::request_reply::{self, RequestOptions};
        use $package::messaging::types::{Client, Error, Message};
        use $package::messaging::{producer, types};

        static HANDLED: AtomicU32 = AtomicU32::new(0);

        struct Draft;

        export!(Draft);

        impl Guest for Draft {
            fn handle(message: Message) -> Result<(), Error> {
                let count = HANDLED.fetch_add(1, Ordering::Relaxed) + 1;
                let text = String::from_utf8_lossy(&message.data()).into_owned();
                let mut words = text.splitn(3, ' ');
                let mut word = || words.next().unwrap_or_default();
                let (verb, first, second) = (word(), word(), word());
                let answer = match verb {
                    "echo" => format!("{} {first}", message.topic().unwrap_or_default()),
                    "count" => count.to_string(),
                    "headers" => format!("{:?} {:?}", message.content_type(), message.metadata()),
                    "publish" => match publish(first, second) {
                        Ok(()) => "published".to_owned(),
                        Err(error) => format!("{error:?}"),
                    },
                    "request" => match ask(first, second) {
                        Ok(answers) => answers.join(","),
                        Err(error) => format!("{error:?}"),
                    },
                    "hoard" => {
                        let size = first.parse().unwrap_or(0);
                        let hoard = (0..1_000).map(|_| Message::new(&vec![0; size]));
                        hoard.collect::<Vec<_>>().len().to_string()
                    }
                    "refuse" => return Err(Error::PermissionDenied(first.to_owned())),
                    "hang" => {
                        std::thread::sleep(Duration::from_secs(3_600));
                        "woke up".to_owned()
                    }
                    "trap" => std::process::abort(),
                    other => return Err(Error::Other(format!("what is {other}?"))),
                };
                let answer = Message::new(answer.as_bytes());
                answer.add_metadata("Verb", "none");
                answer.add_metadata("Verb", verb);
                answer.set_content_type("text/plain");
                request_reply::reply(&message, answer)
            }
        }

        fn publish(topic: &str, text: &str) -> Result<(), Error> {
            let client = Client::connect("default")?;
            let message = Message::new(b"");
            message.set_data(text.as_bytes());
            message.set_content_type("text/plain");
            let fields = [("A", "1"), ("B", "2"), ("A", "3"), ("C", "4")];
            let metadata: types::Metadata =
                fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            message.set_metadata(&metadata);
            message.remove_metadata("B");
            producer::send(&client, topic, message)
        }

        /// `options` is a time-out in milliseconds and a number of answers, such as
        /// `100x3`; either may be missing.
        fn ask(topic: &str, options: &str) -> Result<Vec<String>, Error> {
            let client = Client::connect("default")?;
            let wanted = RequestOptions::new();
            let (timeout, count) = options.split_once('x').unwrap_or((options, ""));
            if let Ok(timeout) = timeout.parse() {
                wanted.set_timeout_ms(timeout);
            }
            if let Ok(count) = count.parse() {
                wanted.set_expected_replies(count);
            }
            let message = Message::new(b"question");
            let answers = request_reply::request(&client, topic, &message, Some(wanted))?;
            let text = |answer: &Message| String::from_utf8_lossy(&answer.data()).into_owned();
            Ok(answers.iter().map(text).collect())
        }
    };
}

pub(crate) use handler;
