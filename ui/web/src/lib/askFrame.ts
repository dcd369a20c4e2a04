// Asking the server for columns.
import { ApiError, envelope, send, type Query } from "./api";
import { FRAME_TYPE, parseFrame, type Frame } from "./frame";

/** Asks for a frame. */
export async function askFrame<T>(path: string, query: Query, signal?: AbortSignal): Promise<Frame<T>> {
  const response = await send(path, query, { signal, headers: { Accept: FRAME_TYPE } });
  if (!response.headers.get("content-type")?.startsWith(FRAME_TYPE)) {
    await envelope(response);
    throw new ApiError(response.status, "unreadable", "the answer is no frame: is something between the browser and Tarn?");
  }
  return parseFrame<T>(await response.arrayBuffer());
}
