import unittest

from sums import sum_of


class SumOf(unittest.TestCase):
    def test_numbers_are_added(self):
        self.assertEqual(sum_of("1 2 3"), 6)
        self.assertEqual(sum_of(" -4\n4 "), 0)

    def test_what_is_no_integer_is_named(self):
        with self.assertRaisesRegex(ValueError, "two"):
            sum_of("1 two")

    def test_there_must_be_something_to_add(self):
        with self.assertRaisesRegex(ValueError, "no numbers"):
            sum_of("")


if __name__ == "__main__":
    unittest.main()
