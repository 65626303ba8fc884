/** What has to pass in each period, or the connection is ended. */
export interface Pace {
  readonly everyMs: number;
  readonly bytesMin: number;
}

/** What a client of the HTTP server may take up: time, connections, memory. */
export interface Bounds {
  /** Connections over TCP at a time; more are closed as they come. */
  readonly connectionsMax: number;
  /** Requests under way on one connection; whoever sends more at once is cut off. */
  readonly requestsMax: number;
  /** How long a request's headers may take to arrive, and a new connection to send some. */
  readonly headersMs: number;
  /** How often headers are looked at, and so how much longer they may take. */
  readonly checkMs: number;
  /** How long a request's body may take to arrive, where it is no upload. */
  readonly bodyMs: number;
  /** An upload takes as long as its line needs, as long as it comes. */
  readonly upload: Pace;
  /** How long a connection may be idle between requests. */
  readonly keepAliveMs: number;
  /** How long a client may read nothing of its reply. */
  readonly replySilenceMs: number;
  /** What it has to read of a reply in a second, once the silence is used up. */
  readonly replyBytesPerSecondMin: number;
  /** Bytes of answers that are not read yet, of all replies together. */
  readonly unreadBytesMax: number;
}

/** The bounds where a test sets no others. */
export const BOUNDS: Bounds = {
  connectionsMax: 1_024,
  requestsMax: 16,
  headersMs: 15_000,
  checkMs: 5_000,
  bodyMs: 15_000,
  upload: { everyMs: 30_000, bytesMin: 30 * 1024 },
  keepAliveMs: 30_000,
  replySilenceMs: 30_000,
  replyBytesPerSecondMin: 32 * 1024,
  unreadBytesMax: 128 * 1024 * 1024,
};
