// UTF-8 to bytes and back. The engine of a plugin has no TextDecoder.

// More arguments than that are too many for one call.
const MANY = 10000;

const NOT_ASCII = /[^\x00-\x7f]/;

/** Invalid bytes become U+FFFD. */
export function decode(bytes) {
  if (bytes.length < MANY) {
    // Most text is ASCII, and this is many times faster.
    const text = String.fromCharCode.apply(null, bytes);
    if (!NOT_ASCII.test(text)) return text;
  }
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const [code, length] = codePoint(bytes, at);
    text += String.fromCodePoint(code);
    at += length;
  }
  return text;
}

export function encode(text) {
  return NOT_ASCII.test(text) ? encodeAny(text) : encodeAscii(text);
}

function encodeAscii(text) {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

function encodeAny(text) {
  const bytes = [];
  for (const character of text) {
    const code = character.codePointAt(0);
    if (code < 0x80) {
      bytes.push(code);
    } else if (code < 0x800) {
      bytes.push(0xc0 | (code >> 6), tail(code));
    } else if (code < 0x10000) {
      // A half of a surrogate pair is no character.
      const valid = code >= 0xd800 && code <= 0xdfff ? 0xfffd : code;
      bytes.push(0xe0 | (valid >> 12), tail(valid >> 6), tail(valid));
    } else {
      bytes.push(0xf0 | (code >> 18), tail(code >> 12), tail(code >> 6), tail(code));
    }
  }
  return Uint8Array.from(bytes);
}

function tail(code) {
  return 0x80 | (code & 0x3f);
}

// Smallest code point of each length: what is written longer than it has to be
// is not valid.
const SMALLEST = [0, 0, 0x80, 0x800, 0x10000];

function codePoint(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [first, 1];
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  let code = first & (0x7f >> length);
  for (let offset = 1; offset < length; offset += 1) {
    const byte = bytes[at + offset];
    if (first < 0xc2 || first > 0xf4 || (byte & 0xc0) !== 0x80) return [0xfffd, 1];
    code = (code << 6) | (byte & 0x3f);
  }
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < SMALLEST[length] || code > 0x10ffff || surrogate) return [0xfffd, 1];
  return [code, length];
}
