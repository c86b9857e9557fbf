"""The national pack of Vietnam: names, identifiers, dates, administrative units, telephones."""
