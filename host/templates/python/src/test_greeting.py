import unittest

from greeting import greeting


class Greeting(unittest.TestCase):
    def test_somebody_is_greeted_by_name(self):
        self.assertEqual(greeting(" Ada\n"), "hello Ada")

    def test_nobody_is_not_greeted(self):
        with self.assertRaisesRegex(ValueError, "nobody to greet"):
            greeting(" ")


if __name__ == "__main__":
    unittest.main()
