"""How the library for plugins in Python takes messages apart, and publishes. It runs
in no sandbox: the bindings are there for that, and their imports do nothing."""

import unittest
from unittest.mock import patch

from componentize_py_types import Err
from simple_nats import Client, Message, NatsError
from wit_world.imports import publisher, types


def message(subject=b"a.b", reply_to=b"", headers=b"", payload=b"", sid=7):
    """One in a piece, with other things between its parts."""
    reply_to_offset = len(subject) + 1
    headers_offset = reply_to_offset + len(reply_to) + 3
    payload_offset = headers_offset + len(headers)
    data = subject + b" " + reply_to + b" 9\n" + headers + payload
    lengths = (len(subject), reply_to_offset, len(reply_to), headers_offset, len(headers))
    return Message(1, sid, *lengths, payload_offset, data)


class Parts(unittest.TestCase):
    def test_parts_are_found_between_others(self):
        whole = message("ä.b".encode(), b"inbox.1", b"NATS/1.0\r\nA: 1\r\n\r\n", b'{"n": 1}')
        self.assertEqual((whole.subject, whole.reply_to, whole.sid), ("ä.b", "inbox.1", 7))
        self.assertEqual((whole.headers, whole.status), ([("A", b"1")], None))
        self.assertEqual((whole.payload, whole.text), (b'{"n": 1}', '{"n": 1}'))
        self.assertEqual(whole.json, {"n": 1})

    def test_what_is_not_there_is_none_or_empty(self):
        bare = message()
        self.assertEqual((bare.reply_to, bare.headers, bare.status, bare.payload), (None, [], None, b""))

    def test_headers_keep_order_and_repeats_and_lose_spaces(self):
        block = b"NATS/1.0\r\nA: 1\r\nB:x:y \r\nA:\r\n\r\n"
        self.assertEqual(message(headers=block).headers, [("A", b"1"), ("B", b"x:y"), ("A", b"")])

    def test_what_is_no_header_is_passed_over(self):
        block = b"NATS/1.0 xyz\r\nno colon\r\n: v\r\nB: 1\r\n\r\n"
        self.assertEqual(message(headers=block).headers, [("B", b"1")])
        self.assertIsNone(message(headers=block).status)

    def test_a_status_has_a_code_and_perhaps_a_description(self):
        status = message(headers=b"NATS/1.0 503\r\n\r\n").status
        self.assertEqual(status, types.Status(503, ""))
        status = message(headers=b"NATS/1.0 408 Request Timeout\r\nA: 1\r\n\r\n").status
        self.assertEqual(status, types.Status(408, "Request Timeout"))


class Publishing(unittest.TestCase):
    def test_who_does_not_ask_gets_no_answer(self):
        with self.assertRaisesRegex(ValueError, "no reply-to"):
            message().respond("x")

    @patch.object(publisher, "publish")
    @patch.object(publisher, "try_publish", return_value=True)
    def test_one_call_does_where_nothing_is_in_the_way(self, try_publish, publish):
        message(reply_to=b"inbox.1").respond("ä")
        try_publish.assert_called_once_with(1, "inbox.1", "ä".encode())
        publish.assert_not_called()

    @patch.object(publisher, "publish", side_effect=Err(types.Error_PermissionDenied("a")))
    @patch.object(publisher, "try_publish", return_value=False)
    def test_the_second_call_tells_why(self, try_publish, publish):
        with self.assertRaises(NatsError) as refused:
            Client(2).publish("a", b"x")
        self.assertEqual(refused.exception.kind, "permission-denied")
        publish.assert_called_once_with(2, "a", b"x")


if __name__ == "__main__":
    unittest.main()
