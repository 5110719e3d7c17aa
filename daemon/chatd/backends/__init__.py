"""Model servers: found, asked and, for the demo, run.  The only package that imports openai."""
