"""Files become items: reading, converting and measuring pictures, documents, video and sound."""
