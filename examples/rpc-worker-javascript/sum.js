// The worker's sums. It knows no NATS, so a test needs no host.

/** `1 2 3` gives 6. */
export function sum(text) {
  return text.trim().split(/\s+/).map(integer).reduce((total, number) => total + number, 0);
}

function integer(word) {
  const number = Number(word);
  if (word === '' || !Number.isSafeInteger(number)) throw new Error(`"${word}" is no integer`);
  return number;
}
