// What calls no host can be tested like any other JavaScript.

export function greeting(name) {
  if (name.trim() === '') throw new Error('nobody to greet');
  return `hello ${name.trim()}`;
}
