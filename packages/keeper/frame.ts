import { FRAME_BYTES_MAX } from './protocol.ts';

/** A message as it crosses the socket: JSON, and bytes that JSON would only inflate. */
export interface Frame {
  readonly json: unknown;
  readonly attachment: Buffer;
}

const NONE = Buffer.alloc(0);

/** uint32 length of the rest ‖ uint32 length of the JSON ‖ JSON ‖ attachment. */
export function encodeFrame(json: unknown, attachment: Uint8Array = NONE): Buffer {
  const text = Buffer.from(JSON.stringify(json));
  const frame = Buffer.allocUnsafe(8 + text.length + attachment.length);
  frame.writeUInt32BE(4 + text.length + attachment.length, 0);
  frame.writeUInt32BE(text.length, 4);
  text.copy(frame, 8);
  frame.set(attachment, 8 + text.length);
  return frame;
}

/** Thrown where the other end does not speak frames; the connection is then of no more use. */
export class FrameError extends Error {
  override name = 'FrameError';
}

/** Cuts a stream of bytes into frames. Holds at most one frame's bytes and one read. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** Gives the frames that are complete with this chunk. @throws FrameError */
  *push(chunk: Buffer): Generator<Frame> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    while (this.#bytes >= 4) {
      const length = this.#peekLength();
      if (length < 4 || length > FRAME_BYTES_MAX) throw new FrameError('frame has a bad length');
      if (this.#bytes < 4 + length) return;
      yield parseFrame(this.#take(4 + length).subarray(4));
    }
  }

  #peekLength(): number {
    if ((this.#chunks[0] as Buffer).length < 4) this.#chunks = [Buffer.concat(this.#chunks)];
    return (this.#chunks[0] as Buffer).readUInt32BE(0);
  }

  #take(length: number): Buffer {
    const all =
      this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    const rest = all.subarray(length);
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#bytes = rest.length;
    return all.subarray(0, length);
  }
}

function parseFrame(bytes: Buffer): Frame {
  const jsonLength = bytes.readUInt32BE(0);
  if (jsonLength > bytes.length - 4) throw new FrameError('frame is shorter than its json');
  try {
    return {
      json: JSON.parse(bytes.toString('utf8', 4, 4 + jsonLength)),
      attachment: bytes.subarray(4 + jsonLength),
    };
  } catch (cause) {
    throw new FrameError('frame holds no json', { cause });
  }
}

/** Leaves for `commit`: uint16 length ‖ bytes, each. */
export function packLeaves(leaves: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const leaf of leaves) length += 2 + leaf.length;
  const packed = Buffer.allocUnsafe(length);
  let at = 0;
  for (const leaf of leaves) {
    at = packed.writeUInt16BE(leaf.length, at);
    packed.set(leaf, at);
    at += leaf.length;
  }
  return packed;
}

/** The inverse of {@link packLeaves}. @throws FrameError unless there are exactly `count`. */
export function unpackLeaves(packed: Buffer, count: number): Buffer[] {
  const leaves: Buffer[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 2 > packed.length) throw new FrameError('leaves are cut short');
    const end = at + 2 + packed.readUInt16BE(at);
    if (end > packed.length) throw new FrameError('leaves are cut short');
    leaves.push(packed.subarray(at + 2, end));
    at = end;
  }
  if (at !== packed.length) throw new FrameError('bytes follow the last leaf');
  return leaves;
}
