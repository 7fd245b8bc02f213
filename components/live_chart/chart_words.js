// Every English sentence that the live charts say; what a chart shows is said by its payload.

export const EMPTY = "Nothing here yet. A point appears within a second of a finished request.";
export const NO_PICTURE = "The picture could not be loaded. Its points stand below.";
export const SHOW_ALL = "Show all";
export const AS_TABLE = "Newest points as a table";
export const AS_STEPS = "As a table";
export const RECONNECTING = "Reconnecting. The chart goes on by itself.";
export const TIME = "Time";
export const MODEL = "What";
export const AT = "at";
export const MARKS = "What changed";
export const value = (unit) => `Value, ${unit}`;
