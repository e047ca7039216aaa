"""What the answerer makes of questions: votes, calibration of its confidence, and its rate."""
