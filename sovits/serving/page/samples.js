// Samples of audio that the browser can read.

/** One channel, the mean of all, at a rate in Hz; empty where the browser cannot read it. */
export async function samplesOf(buffer, rate) {
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(buffer);
  } catch (error) {
    if (error.name === "EncodingError") return new Float32Array(0);
    throw error;
  }
  const mean = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    decoded.getChannelData(channel).forEach((value, at) => { mean[at] += value / decoded.numberOfChannels; });
  }
  return mean;
}

export const pcm16 = samples => Int16Array.from(samples, value => Math.round(Math.max(-1, Math.min(1, value)) * 32767));

/** A WAV file, mono, of 16-bit samples. */
export function wavOf(samples, rate) {
  const head = new DataView(new ArrayBuffer(44)), bytes = 2 * samples.length;
  const word = (at, text) => [...text].forEach((sign, place) => head.setUint8(at + place, sign.charCodeAt(0)));
  word(0, "RIFF");
  head.setUint32(4, 36 + bytes, true);
  word(8, "WAVEfmt ");
  [[16, 16, 4], [20, 1, 2], [22, 1, 2], [24, rate, 4], [28, 2 * rate, 4], [32, 2, 2], [34, 16, 2]].forEach(([at, value, size]) => {
    if (size === 4) head.setUint32(at, value, true); else head.setUint16(at, value, true);
  });
  word(36, "data");
  head.setUint32(40, bytes, true);
  return new Blob([head, samples], {type: "audio/wav"});
}
