"""Tables, schema, preprocessing, splits and balanced views."""
