"""The models of the wire, one module per area; field names and units are the vendor's."""
