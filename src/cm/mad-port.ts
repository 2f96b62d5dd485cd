// What the connection manager needs from below: a way to send management datagrams and to be handed them.

/** The peer's general services interface, and our address that it is reached from. */
export interface MadAddress {
  /** The peer's GID, 16 bytes. */
  readonly gid: Uint8Array;
  /** Our own GID, by its index. */
  readonly sgidIndex: number;
  readonly trafficClass: number;
  readonly hopLimit: number;
  readonly flowLabel: number;
}

export interface MadPort {
  /** GUID of the channel adapter (`node_guid`), 8 bytes. */
  readonly caGuid: Uint8Array;
  /** Sends a MAD, which is copied. It may be lost, here as on the way. */
  send(to: MadAddress, mad: Uint8Array): void;
  /** Called with each MAD that comes in; the bytes are valid during the call only. */
  onMad: ((from: MadAddress, mad: Uint8Array) => void) | null;
}
