// The page to try voices with: one module for each of its parts.
import "./enrolment.js";
import {updateSpeak, updateSpeed} from "./speaking.js";
import {loadVoices} from "./voices.js";

updateSpeed();
updateSpeak();
loadVoices();
