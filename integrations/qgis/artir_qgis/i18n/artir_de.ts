<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
 <context>
  <name>artir</name>
  <message>
   <source>'Bands as the layer shows them' names them as well.</source>
   <translation>„Kanäle, wie der Layer sie zeigt“ benennt sie ebenfalls.</translation>
  </message>
  <message>
   <source>'{text}' is not a list of numbers.</source>
   <translation>„{text}“ ist keine Liste von Zahlen.</translation>
  </message>
  <message>
   <source>A file artir-….whl, in place of the release that this plugin names.</source>
   <translation>Eine Datei artir-….whl anstelle der Version, die dieses Plugin nennt.</translation>
  </message>
  <message>
   <source>A larger preview takes longer and is closer to the full run. Not set: as many as this machine does in a few seconds, as earlier previews have shown; 0: no limit but the longest edge.</source>
   <translation>Eine größere Vorschau dauert länger und kommt dem ganzen Lauf näher. Ohne Angabe: so viele, wie dieser Rechner in wenigen Sekunden schafft, nach den früheren Vorschauen; 0: keine Grenze außer der längsten Kante.</translation>
  </message>
  <message>
   <source>About {time} left</source>
   <translation>Noch etwa {time}</translation>
  </message>
  <message>
   <source>All figures as JSON</source>
   <translation>Alle Werte als JSON</translation>
  </message>
  <message>
   <source>All files (*)</source>
   <translation>Alle Dateien (*)</translation>
  </message>
  <message>
   <source>Also remove haze from the other reflective bands: it is estimated from red, green, blue and the bands' wavelengths</source>
   <translation>Dunst auch aus den anderen reflektierenden Kanälen entfernen: geschätzt aus Rot, Grün, Blau und den Wellenlängen der Kanäle</translation>
  </message>
  <message>
   <source>As the file SHA256SUMS of the release states it. A wheel with another hash is not installed.</source>
   <translation>Wie in der Datei SHA256SUMS der Version angegeben. Ein Wheel mit anderer Prüfsumme wird nicht installiert.</translation>
  </message>
  <message>
   <source>Average eight flips and rotations (eight times the work)</source>
   <translation>Acht Spiegelungen und Drehungen mitteln (achtfacher Aufwand)</translation>
  </message>
  <message>
   <source>Average the results of the eight flips and rotations of the input: eight times the work for a slightly better result</source>
   <translation>Ergebnisse der acht Spiegelungen und Drehungen der Eingabe mitteln: achtfacher Aufwand für ein etwas besseres Ergebnis</translation>
  </message>
  <message>
   <source>Band {band} of the visible part cannot be read.</source>
   <translation>Kanal {band} des sichtbaren Teils ist nicht lesbar.</translation>
  </message>
  <message>
   <source>Band {band} of {name} cannot be read.</source>
   <translation>Kanal {band} von {name} ist nicht lesbar.</translation>
  </message>
  <message>
   <source>Band {number}</source>
   <translation>Kanal {number}</translation>
  </message>
  <message>
   <source>Bands (one or three, such as 4,3,2)</source>
   <translation>Kanäle (einer oder drei, etwa 4,3,2)</translation>
  </message>
  <message>
   <source>Bands as the layer shows them</source>
   <translation>Kanäle, wie der Layer sie zeigt</translation>
  </message>
  <message>
   <source>Bands as the layer shows them need a layer of the project: name the bands instead.</source>
   <translation>„Kanäle, wie der Layer sie zeigt“ braucht einen Layer des Projekts: benennen Sie stattdessen die Kanäle.</translation>
  </message>
  <message>
   <source>Bands for red, green, blue (such as 4,3,2)</source>
   <translation>Kanäle für Rot, Grün, Blau (etwa 4,3,2)</translation>
  </message>
  <message>
   <source>Bands that would be restored</source>
   <translation>Kanäle, die bearbeitet würden</translation>
  </message>
  <message>
   <source>Bands to restore, counted from 1, if the file does not name its red, green and blue bands</source>
   <translation>Zu bearbeitende Kanäle, ab 1 gezählt, falls die Datei ihre Kanäle für Rot, Grün und Blau nicht benennt</translation>
  </message>
  <message>
   <source>Bands whose pixels may differ</source>
   <translation>Kanäle, deren Pixel abweichen dürfen</translation>
  </message>
  <message>
   <source>Bands whose pixels may differ in --compare</source>
   <translation>Kanäle, deren Pixel bei --compare abweichen dürfen</translation>
  </message>
  <message>
   <source>Black and white</source>
   <translation>Schwarz und Weiß</translation>
  </message>
  <message>
   <source>Black and white (LO,HI)</source>
   <translation>Schwarz und Weiß (kleiner,größer)</translation>
  </message>
  <message>
   <source>Black and white are estimated from some blocks of the scene: colours may differ a little.</source>
   <translation>Schwarz und Weiß sind aus einigen Blöcken der Szene geschätzt: Farben können ein wenig abweichen.</translation>
  </message>
  <message>
   <source>Black and white must be two numbers, the smaller first: {text}</source>
   <translation>Schwarz und Weiß müssen zwei Zahlen sein, die kleinere zuerst: {text}</translation>
  </message>
  <message>
   <source>Cancelled: artir has ended, and no result was written.</source>
   <translation>Abgebrochen: artir ist beendet, und kein Ergebnis wurde geschrieben.</translation>
  </message>
  <message>
   <source>Change layer</source>
   <translation>Änderungslayer</translation>
  </message>
  <message>
   <source>Change only these polygons</source>
   <translation>Nur diese Polygone ändern</translation>
  </message>
  <message>
   <source>Change only this box, in the scene's reference system or that of --bbox-crs; x is east</source>
   <translation>Nur dieses Rechteck ändern, im Bezugssystem der Szene oder dem von --bbox-crs; x ist Osten</translation>
  </message>
  <message>
   <source>Change only this extent</source>
   <translation>Nur diese Ausdehnung ändern</translation>
  </message>
  <message>
   <source>Change only what lies in the polygons of this file (GeoJSON, Shapefile, GeoPackage, FlatGeobuf, KML)</source>
   <translation>Nur ändern, was in den Polygonen dieser Datei liegt (GeoJSON, Shapefile, GeoPackage, FlatGeobuf, KML)</translation>
  </message>
  <message>
   <source>Choose a raster layer first.</source>
   <translation>Wählen Sie zuerst einen Rasterlayer.</translation>
  </message>
  <message>
   <source>Choose a result of artir, its source, or two rasters.</source>
   <translation>Wählen Sie ein Ergebnis von artir, dessen Quelle oder zwei Raster.</translation>
  </message>
  <message>
   <source>Coarse preview 1:{factor}</source>
   <translation>Grobe Vorschau 1:{factor}</translation>
  </message>
  <message>
   <source>Compare a result with its source</source>
   <translation>Ein Ergebnis mit seiner Quelle vergleichen</translation>
  </message>
  <message>
   <source>Compare rasters</source>
   <translation>Raster vergleichen</translation>
  </message>
  <message>
   <source>Continue an interrupted run</source>
   <translation>Einen unterbrochenen Lauf fortsetzen</translation>
  </message>
  <message>
   <source>Continue an interrupted run of the same model and settings</source>
   <translation>Einen unterbrochenen Lauf mit demselben Modell und denselben Einstellungen fortsetzen</translation>
  </message>
  <message>
   <source>Creation option of the output's GDAL driver, in place of the source's; may be repeated</source>
   <translation>Erzeugungsoption des GDAL-Treibers der Ausgabe anstelle der Option der Quelle; mehrfach möglich</translation>
  </message>
  <message>
   <source>Creation options (KEY=VALUE, separated by |)</source>
   <translation>Erzeugungsoptionen (NAME=WERT, getrennt durch |)</translation>
  </message>
  <message>
   <source>Dehaze a satellite or aerial scene on the same grid, with the same georeferencing.</source>
   <translation>Dunst aus einer Satelliten- oder Luftbildszene entfernen: gleiches Raster, gleiche Georeferenzierung.</translation>
  </message>
  <message>
   <source>Dehaze product</source>
   <translation>Dunst aus Produkt entfernen</translation>
  </message>
  <message>
   <source>Dehaze raster</source>
   <translation>Dunst aus Raster entfernen</translation>
  </message>
  <message>
   <source>Dehaze raster…</source>
   <translation>Dunst aus Raster entfernen…</translation>
  </message>
  <message>
   <source>Dehaze what the map shows of the active layer</source>
   <translation>Dunst aus dem sichtbaren Teil des aktiven Layers entfernen</translation>
  </message>
  <message>
   <source>Dehazed raster</source>
   <translation>Raster ohne Dunst</translation>
  </message>
  <message>
   <source>Dehazes only what the extent shows, and a margin, with the bands and the range of the whole scene, within a few seconds. Where the extent holds more pixels than the preview may have, it is reduced first; the layer's name and the log say by how much. A reduced preview shows less of what the full run removes: zoom in, or allow more megapixels, to see it. Of a large scene without overviews, the range is estimated from some of its blocks, and the preview says so.</source>
   <translation>Entfernt den Dunst nur in der Ausdehnung und einem Rand darum, mit den Kanälen und dem Wertebereich der ganzen Szene, in wenigen Sekunden. Hat die Ausdehnung mehr Pixel, als die Vorschau haben darf, wird sie zuerst verkleinert; der Name des Layers und das Protokoll sagen, wie stark. Eine verkleinerte Vorschau zeigt weniger von dem, was der ganze Lauf entfernt: Vergrößern Sie die Karte, oder erlauben Sie mehr Megapixel. In großen Szenen ohne Übersichten wird der Wertebereich aus einigen Blöcken geschätzt, und die Vorschau sagt es.</translation>
  </message>
  <message>
   <source>Describe raster</source>
   <translation>Raster beschreiben</translation>
  </message>
  <message>
   <source>Description</source>
   <translation>Beschreibung</translation>
  </message>
  <message>
   <source>Description as JSON</source>
   <translation>Beschreibung als JSON</translation>
  </message>
  <message>
   <source>Device</source>
   <translation>Gerät</translation>
  </message>
  <message>
   <source>Differences</source>
   <translation>Unterschiede</translation>
  </message>
  <message>
   <source>Exclude pixels where the reference has this value in every channel, as stored (8 or 16 bit) or in its unit</source>
   <translation>Pixel auslassen, in denen die Referenz in jedem Kanal diesen Wert hat, wie gespeichert (8 oder 16 Bit) oder in ihrer Einheit</translation>
  </message>
  <message>
   <source>Extent</source>
   <translation>Ausdehnung</translation>
  </message>
  <message>
   <source>Finished rows are kept in {folder}. To go on, run again with 'Continue an interrupted run'.</source>
   <translation>Fertige Zeilen bleiben in {folder}. Zum Fortsetzen noch einmal mit „Einen unterbrochenen Lauf fortsetzen“ starten.</translation>
  </message>
  <message>
   <source>First raster</source>
   <translation>Erstes Raster</translation>
  </message>
  <message>
   <source>Folder for the rows that an interrupted run leaves, in place of a hidden folder next to the result; --resume looks there. Copies of standard input and output go there, too</source>
   <translation>Ordner für die Zeilen, die ein unterbrochener Lauf hinterlässt, statt eines versteckten Ordners neben dem Ergebnis; --resume sucht dort. Auch Kopien von Standardeingabe und -ausgabe liegen dort</translation>
  </message>
  <message>
   <source>Folder for unfinished work</source>
   <translation>Ordner für unfertige Arbeit</translation>
  </message>
  <message>
   <source>Folder of photographs</source>
   <translation>Ordner mit Fotos</translation>
  </message>
  <message>
   <source>Folder, in addition to a virtual raster's own, whose files it may reference; may be repeated</source>
   <translation>Ordner, auf dessen Dateien ein virtuelles Raster außer auf die seines eigenen Ordners verweisen darf; mehrfach möglich</translation>
  </message>
  <message>
   <source>Forget the named program, and search</source>
   <translation>Das benannte Programm vergessen und suchen</translation>
  </message>
  <message>
   <source>Format</source>
   <translation>Format</translation>
  </message>
  <message>
   <source>Further folder of a virtual raster's files</source>
   <translation>Weiterer Ordner mit Dateien eines virtuellen Rasters</translation>
  </message>
  <message>
   <source>Give an extent or polygons, not both.</source>
   <translation>Geben Sie eine Ausdehnung oder Polygone an, nicht beides.</translation>
  </message>
  <message>
   <source>Give the wheel's SHA-256, as SHA256SUMS states it: 64 digits.</source>
   <translation>Geben Sie die SHA-256 des Wheels an, wie sie in SHA256SUMS steht: 64 Ziffern.</translation>
  </message>
  <message>
   <source>HTML files (*.html)</source>
   <translation>HTML-Dateien (*.html)</translation>
  </message>
  <message>
   <source>HTML page of before and after</source>
   <translation>HTML-Seite von Vorher und Nachher</translation>
  </message>
  <message>
   <source>HTML page of before and after, next to the result</source>
   <translation>HTML-Seite von Vorher und Nachher, neben dem Ergebnis</translation>
  </message>
  <message>
   <source>How the figures are computed (--protocol). rgb: over all bands, values between black and white; SSIM with a uniform window of 7 x 7 pixels. rs-dehaze: as papers on remote sensing do; SSIM with a Gaussian window of 11 x 11. rs-dehaze-dehazeformer: the same, with SSIM on reduced images. y-derain and y-uhd: on brightness in 8 bits. Figures of different protocols cannot be compared.</source>
   <translation>Wie die Werte berechnet werden (--protocol). rgb: über alle Kanäle, Werte zwischen Schwarz und Weiß; SSIM mit einem gleichförmigen Fenster von 7 x 7 Pixeln. rs-dehaze: wie in Arbeiten zur Fernerkundung; SSIM mit einem Gauß-Fenster von 11 x 11. rs-dehaze-dehazeformer: ebenso, SSIM auf verkleinerten Bildern. y-derain und y-uhd: auf der Helligkeit in 8 Bit. Werte verschiedener Protokolle sind nicht vergleichbar.</translation>
  </message>
  <message>
   <source>I agree: download and install the wheel with pip</source>
   <translation>Einverstanden: das Wheel mit pip herunterladen und installieren</translation>
  </message>
  <message>
   <source>In use: {path}, version {version}</source>
   <translation>In Gebrauch: {path}, Version {version}</translation>
  </message>
  <message>
   <source>Install or find artir</source>
   <translation>artir installieren oder finden</translation>
  </message>
  <message>
   <source>Install or find artir…</source>
   <translation>artir installieren oder finden…</translation>
  </message>
  <message>
   <source>JSON files (*.json)</source>
   <translation>JSON-Dateien (*.json)</translation>
  </message>
  <message>
   <source>Leave pixels unchanged that the product's own mask marks as cloud (Sentinel-2 SCL, Landsat QA_PIXEL, PlanetScope UDM2)</source>
   <translation>Pixel unverändert lassen, die die Maske des Produkts als Wolke kennzeichnet (Sentinel-2 SCL, Landsat QA_PIXEL, PlanetScope UDM2)</translation>
  </message>
  <message>
   <source>Leave the product's clouds unchanged</source>
   <translation>Wolken des Produkts unverändert lassen</translation>
  </message>
  <message>
   <source>Lift all restrictions: scenes on a network, formats that reference other files, virtual rasters that reference any file</source>
   <translation>Alle Beschränkungen aufheben: Szenen im Netz, Formate mit Verweisen auf andere Dateien, virtuelle Raster mit Verweisen auf beliebige Dateien</translation>
  </message>
  <message>
   <source>Lists every difference of two rasters: georeferencing, metadata, nodata, bands and pixels ({flag}). To see that a result differs from its source in the restored bands alone, name these as those that may differ.</source>
   <translation>Nennt jeden Unterschied zweier Raster: Georeferenzierung, Metadaten, Nodata, Kanäle und Pixel ({flag}). Um zu sehen, dass ein Ergebnis nur in den bearbeiteten Kanälen von seiner Quelle abweicht, nennen Sie diese als solche, die abweichen dürfen.</translation>
  </message>
  <message>
   <source>Longest edge of the preview in pixels</source>
   <translation>Längste Kante der Vorschau in Pixeln</translation>
  </message>
  <message>
   <source>Looks for the program artir: the one that you name, then PATH, the usual folders, and the plugin's own folder. Prints what its own check of the installation finds.</source>
   <translation>Sucht das Programm artir: das von Ihnen benannte, dann PATH, die üblichen Ordner und den Ordner des Plugins. Gibt aus, was artir bei der Prüfung seiner Installation findet.</translation>
  </message>
  <message>
   <source>Mask raster</source>
   <translation>Maskenraster</translation>
  </message>
  <message>
   <source>Measure PSNR, SSIM and RMSE of a result against its reference.</source>
   <translation>PSNR, SSIM und RMSE eines Ergebnisses gegen seine Referenz messen.</translation>
  </message>
  <message>
   <source>Memory for inference</source>
   <translation>Speicher für die Berechnung</translation>
  </message>
  <message>
   <source>Memory for one image</source>
   <translation>Speicher für ein Bild</translation>
  </message>
  <message>
   <source>Memory that inference may use, such as 512MiB or 4GiB. Default: 2GiB</source>
   <translation>Speicher, den die Berechnung nutzen darf, etwa 512MiB oder 4GiB. Vorgabe: 2GiB</translation>
  </message>
  <message>
   <source>Memory that one image may take while it is read, such as 512MiB or 4GiB. Default: 2GiB</source>
   <translation>Speicher, den ein Bild beim Lesen belegen darf, etwa 512MiB oder 4GiB. Vorgabe: 2GiB</translation>
  </message>
  <message>
   <source>Metadata file, such as MTD_MSIL2A.xml, or the folder's path</source>
   <translation>Metadatendatei, etwa MTD_MSIL2A.xml, oder Pfad des Ordners</translation>
  </message>
  <message>
   <source>Model (name or .onnx file)</source>
   <translation>Modell (Name oder .onnx-Datei)</translation>
  </message>
  <message>
   <source>Model by name, or a file ending in .onnx</source>
   <translation>Modell mit Namen, oder eine Datei mit der Endung .onnx</translation>
  </message>
  <message>
   <source>Most megapixels of the preview</source>
   <translation>Megapixel der Vorschau, höchstens</translation>
  </message>
  <message>
   <source>Name the bands, or take those that the layer shows, not both.</source>
   <translation>Benennen Sie die Kanäle oder nehmen Sie die angezeigten, nicht beides.</translation>
  </message>
  <message>
   <source>No Python interpreter was found for the installation.</source>
   <translation>Für die Installation wurde kein Python gefunden.</translation>
  </message>
  <message>
   <source>No difference.</source>
   <translation>Kein Unterschied.</translation>
  </message>
  <message>
   <source>No raster is given.</source>
   <translation>Es ist kein Raster angegeben.</translation>
  </message>
  <message>
   <source>Nodata value (or none)</source>
   <translation>Nodata-Wert (oder none)</translation>
  </message>
  <message>
   <source>Nodata value of the reference</source>
   <translation>Nodata-Wert der Referenz</translation>
  </message>
  <message>
   <source>Nothing was installed: tick the box to agree.</source>
   <translation>Nichts wurde installiert: stimmen Sie mit dem Häkchen zu.</translation>
  </message>
  <message>
   <source>Number of differences</source>
   <translation>Zahl der Unterschiede</translation>
  </message>
  <message>
   <source>Number of photographs that failed</source>
   <translation>Zahl der gescheiterten Fotos</translation>
  </message>
  <message>
   <source>Number of restored photographs</source>
   <translation>Zahl der bearbeiteten Fotos</translation>
  </message>
  <message>
   <source>One band or three are measured: {bands}</source>
   <translation>Gemessen werden ein Kanal oder drei: {bands}</translation>
  </message>
  <message>
   <source>One pixel of the preview is the mean of {factor} x {factor} pixels of the raster. The network finds less haze in a reduced scene, and fine detail is not shown: zoom in for a preview that is closer to the full run.</source>
   <translation>Ein Pixel der Vorschau ist das Mittel von {factor} x {factor} Pixeln des Rasters. In einer verkleinerten Szene findet das Netz weniger Dunst, und feine Einzelheiten fehlen: Vergrößern Sie die Karte für eine Vorschau, die dem ganzen Lauf näher kommt.</translation>
  </message>
  <message>
   <source>Output format, in place of the one that the output's name and the scene suggest: .jp2, .png and .img name others; a COG gives a COG. Values: gtiff (GeoTIFF with the layout of its source), cog (Cloud optimized GeoTIFF)</source>
   <translation>Ausgabeformat anstelle dessen, das der Name der Ausgabe und die Szene nahelegen: .jp2, .png und .img benennen andere; ein COG ergibt ein COG. Werte: gtiff (GeoTIFF im Aufbau der Quelle), cog (Cloud Optimized GeoTIFF)</translation>
  </message>
  <message>
   <source>Overlap of tiles in pixels</source>
   <translation>Überlappung der Kacheln in Pixeln</translation>
  </message>
  <message>
   <source>Overlap of tiles in pixels, at most half a tile [default: the model's, or less in small tiles]</source>
   <translation>Überlappung der Kacheln in Pixeln, höchstens eine halbe Kachel [Vorgabe: die des Modells, bei kleinen Kacheln weniger]</translation>
  </message>
  <message>
   <source>Overwrite existing results</source>
   <translation>Vorhandene Ergebnisse überschreiben</translation>
  </message>
  <message>
   <source>PSNR, SSIM and RMSE of two rasters</source>
   <translation>PSNR, SSIM und RMSE zweier Raster</translation>
  </message>
  <message>
   <source>Pixels of the raster for one of the preview</source>
   <translation>Pixel des Rasters für eines der Vorschau</translation>
  </message>
  <message>
   <source>Pixels that count</source>
   <translation>Pixel, die zählen</translation>
  </message>
  <message>
   <source>Precision</source>
   <translation>Genauigkeit</translation>
  </message>
  <message>
   <source>Preview</source>
   <translation>Vorschau</translation>
  </message>
  <message>
   <source>Preview an extent</source>
   <translation>Vorschau einer Ausdehnung</translation>
  </message>
  <message>
   <source>Preview here</source>
   <translation>Vorschau hier</translation>
  </message>
  <message>
   <source>Product</source>
   <translation>Produkt</translation>
  </message>
  <message>
   <source>Program in use</source>
   <translation>Programm in Gebrauch</translation>
  </message>
  <message>
   <source>Protocol</source>
   <translation>Protokoll</translation>
  </message>
  <message>
   <source>Protocol {name}; {count} pixels left out.</source>
   <translation>Protokoll {name}; {count} Pixel ausgelassen.</translation>
  </message>
  <message>
   <source>QGIS cannot open {name}.</source>
   <translation>QGIS kann {name} nicht öffnen.</translation>
  </message>
  <message>
   <source>Raster</source>
   <translation>Raster</translation>
  </message>
  <message>
   <source>Raster of the scene's extent that is 0 where a pixel does not count</source>
   <translation>Raster von der Ausdehnung der Szene, das 0 ist, wo ein Pixel nicht zählt</translation>
  </message>
  <message>
   <source>Rasters need a build of artir with GDAL: the Debian package, the conda package, the container image with scenes, or a build from source. The wheel from PyPI has no GDAL and restores photographs only.</source>
   <translation>Raster brauchen ein artir mit GDAL: das Debian-Paket, das Conda-Paket, das Container-Image mit Szenen oder einen Bau aus den Quellen. Das Wheel von PyPI hat kein GDAL und bearbeitet nur Fotos.</translation>
  </message>
  <message>
   <source>Reference</source>
   <translation>Referenz</translation>
  </message>
  <message>
   <source>Reference system</source>
   <translation>Bezugssystem</translation>
  </message>
  <message>
   <source>Refuse a scene if its result would lose something</source>
   <translation>Eine Szene ablehnen, wenn ihr Ergebnis etwas verlöre</translation>
  </message>
  <message>
   <source>Refuse a scene if the result cannot hold something that it states</source>
   <translation>Eine Szene ablehnen, wenn das Ergebnis etwas nicht aufnehmen kann, das sie angibt</translation>
  </message>
  <message>
   <source>Remove haze from the other reflective bands as well</source>
   <translation>Dunst auch aus den anderen reflektierenden Kanälen entfernen</translation>
  </message>
  <message>
   <source>Report of the run</source>
   <translation>Bericht des Laufs</translation>
  </message>
  <message>
   <source>Restore photograph folder</source>
   <translation>Ordner mit Fotos bearbeiten</translation>
  </message>
  <message>
   <source>Restore photographs (PNG, JPEG, TIFF; 8 or 16 bit).</source>
   <translation>Fotos bearbeiten (PNG, JPEG, TIFF; 8 oder 16 Bit).</translation>
  </message>
  <message>
   <source>Restored bands</source>
   <translation>Bearbeitete Kanäle</translation>
  </message>
  <message>
   <source>Restored photographs</source>
   <translation>Bearbeitete Fotos</translation>
  </message>
  <message>
   <source>Result</source>
   <translation>Ergebnis</translation>
  </message>
  <message>
   <source>Run the algorithm 'Install or find artir'.</source>
   <translation>Starten Sie den Algorithmus „artir installieren oder finden“.</translation>
  </message>
  <message>
   <source>SHA-256 of the wheel</source>
   <translation>SHA-256 des Wheels</translation>
  </message>
  <message>
   <source>STAC item</source>
   <translation>STAC-Item</translation>
  </message>
  <message>
   <source>STAC item, next to the result</source>
   <translation>STAC-Item, neben dem Ergebnis</translation>
  </message>
  <message>
   <source>Say which stored values are black and white: {names} are not both 8 or both 16 bits.</source>
   <translation>Geben Sie an, welche gespeicherten Werte Schwarz und Weiß sind: {names} haben nicht beide 8 oder beide 16 Bit.</translation>
  </message>
  <message>
   <source>Second raster</source>
   <translation>Zweites Raster</translation>
  </message>
  <message>
   <source>Sentinel-2, Landsat, Pleiades and SPOT: artir stacks the bands of a product as its metadata say.</source>
   <translation>Sentinel-2, Landsat, Pleiades und SPOT: artir stapelt die Kanäle eines Produkts, wie seine Metadaten es angeben.</translation>
  </message>
  <message>
   <source>Share of the restoration that is applied, 0 to 1 [default: the model's, or 1]</source>
   <translation>Anteil der Bearbeitung, der angewandt wird, 0 bis 1 [Vorgabe: der des Modells, oder 1]</translation>
  </message>
  <message>
   <source>Size</source>
   <translation>Größe</translation>
  </message>
  <message>
   <source>Stored value of pixels that are no data, in place of what the file declares; none: every value counts</source>
   <translation>Gespeicherter Wert von Pixeln ohne Daten, anstelle der Angabe der Datei; none: jeder Wert zählt</translation>
  </message>
  <message>
   <source>Stored values for black and white</source>
   <translation>Gespeicherte Werte für Schwarz und Weiß</translation>
  </message>
  <message>
   <source>Stored values for black and white: LO,HI (or six numbers, a pair for each band), percentile, reflectance (0 to 1 by the bands' scale and offset, else 0 to 10,000), or auto (0 to 255 for 8-bit scenes, percentile for others). Default: auto</source>
   <translation>Gespeicherte Werte für Schwarz und Weiß: kleiner,größer (oder sechs Zahlen, ein Paar je Kanal), percentile, reflectance (0 bis 1 nach Skalierung und Versatz der Kanäle, sonst 0 bis 10 000) oder auto (0 bis 255 für Szenen mit 8 Bit, percentile für andere). Vorgabe: auto</translation>
  </message>
  <message>
   <source>Stored values that become 0 and 1: PSNR and RMSE depend on them. By default 0 and the largest value of 8 or 16 bits without a sign; other types need this parameter.</source>
   <translation>Gespeicherte Werte, die 0 und 1 werden: PSNR und RMSE hängen davon ab. Vorgabe: 0 und der größte Wert von 8 oder 16 Bit ohne Vorzeichen; andere Typen brauchen diesen Parameter.</translation>
  </message>
  <message>
   <source>Stored values that become black and white, in place of the choice above: two numbers, or six, a pair each for red, green and blue (--range).</source>
   <translation>Gespeicherte Werte, die Schwarz und Weiß werden, statt der Auswahl oben: zwei Zahlen, oder sechs, je ein Paar für Rot, Grün und Blau (--range).</translation>
  </message>
  <message>
   <source>Strength</source>
   <translation>Stärke</translation>
  </message>
  <message>
   <source>Swipe before and after</source>
   <translation>Vorher und nachher wischen</translation>
  </message>
  <message>
   <source>The bands that are measured, counted from 1. By default the first three, or the only one.</source>
   <translation>Die gemessenen Kanäle, ab 1 gezählt. Vorgabe: die ersten drei, oder der einzige.</translation>
  </message>
  <message>
   <source>The bands that the layer shows as red, green and blue (--bands).</source>
   <translation>Die Kanäle, die der Layer als Rot, Grün und Blau zeigt (--bands).</translation>
  </message>
  <message>
   <source>The cutting layer '{name}' has no polygon.</source>
   <translation>Der Layer „{name}“ hat kein Polygon.</translation>
  </message>
  <message>
   <source>The extent does not touch the raster.</source>
   <translation>Die Ausdehnung berührt das Raster nicht.</translation>
  </message>
  <message>
   <source>The extent is empty.</source>
   <translation>Die Ausdehnung ist leer.</translation>
  </message>
  <message>
   <source>The file artir (artir.exe). It is remembered for this profile of QGIS.</source>
   <translation>Die Datei artir (artir.exe). Sie wird für dieses QGIS-Profil gemerkt.</translation>
  </message>
  <message>
   <source>The file does not name its colours: the bands that the layer shows are taken.</source>
   <translation>Die Datei benennt ihre Farben nicht: es werden die Kanäle genommen, die der Layer zeigt.</translation>
  </message>
  <message>
   <source>The installation failed: {reason}</source>
   <translation>Die Installation ist gescheitert: {reason}</translation>
  </message>
  <message>
   <source>The installation holds no program artir.</source>
   <translation>Die Installation enthält kein Programm artir.</translation>
  </message>
  <message>
   <source>The layer '{name}' does not show three different bands as red, green and blue: name the bands instead.</source>
   <translation>Der Layer „{name}“ zeigt nicht drei verschiedene Kanäle als Rot, Grün und Blau: benennen Sie die Kanäle.</translation>
  </message>
  <message>
   <source>The layer '{name}' exists in QGIS's memory only. Save it as a file first.</source>
   <translation>Der Layer „{name}“ liegt nur im Speicher von QGIS. Speichern Sie sie zuerst als Datei.</translation>
  </message>
  <message>
   <source>The layer '{name}' is not a raster.</source>
   <translation>Der Layer „{name}“ ist kein Raster.</translation>
  </message>
  <message>
   <source>The layer '{name}' is {kind}, and artir reads raster files only. Export the part that you need as raw data (Export &gt; Save As…), and use that file.</source>
   <translation>Der Layer „{name}“ ist {kind}, und artir liest nur Rasterdateien. Exportieren Sie den gewünschten Teil als Rohdaten (Export &gt; Speichern als…) und nehmen Sie diese Datei.</translation>
  </message>
  <message>
   <source>The preview failed.</source>
   <translation>Die Vorschau ist gescheitert.</translation>
  </message>
  <message>
   <source>The program artir was not found in PATH or in the usual folders.</source>
   <translation>Das Programm artir wurde weder in PATH noch in den üblichen Ordnern gefunden.</translation>
  </message>
  <message>
   <source>The resolution of the screen: more pixels than that cannot be seen.</source>
   <translation>Die Auflösung des Bildschirms: Mehr Pixel sind nicht zu sehen.</translation>
  </message>
  <message>
   <source>The result would lose</source>
   <translation>Das Ergebnis verlöre</translation>
  </message>
  <message>
   <source>The same without a limit of megapixels</source>
   <translation>Dasselbe ohne Grenze der Megapixel</translation>
  </message>
  <message>
   <source>The visible part cannot be written to {path}.</source>
   <translation>Der sichtbare Teil kann nicht nach {path} geschrieben werden.</translation>
  </message>
  <message>
   <source>This plugin names no release of artir: name a wheel, and its hash as SHA256SUMS states it.</source>
   <translation>Dieses Plugin nennt keine Version von artir: benennen Sie ein Wheel und seine Prüfsumme, wie sie in SHA256SUMS steht.</translation>
  </message>
  <message>
   <source>This preview is coarse. A finer one takes its place when it is ready.</source>
   <translation>Diese Vorschau ist grob. Eine feinere tritt an ihre Stelle, sobald sie fertig ist.</translation>
  </message>
  <message>
   <source>Threads</source>
   <translation>Threads</translation>
  </message>
  <message>
   <source>Threads; 0 uses every core. Default: 0</source>
   <translation>Threads; 0 nutzt jeden Kern. Vorgabe: 0</translation>
  </message>
  <message>
   <source>Tile edge in pixels</source>
   <translation>Kantenlänge der Kacheln in Pixeln</translation>
  </message>
  <message>
   <source>Tile edge in pixels, which must fit --memory [default: the whole image if it fits, else the model's or less]</source>
   <translation>Kantenlänge der Kacheln in Pixeln, die in --memory passen muss [Vorgabe: das ganze Bild, wenn es passt, sonst die des Modells oder weniger]</translation>
  </message>
  <message>
   <source>Trust the scene: networks, and any file that it names</source>
   <translation>Der Szene vertrauen: Netze, und jede Datei, die sie nennt</translation>
  </message>
  <message>
   <source>Use this program from now on</source>
   <translation>Von jetzt an dieses Programm verwenden</translation>
  </message>
  <message>
   <source>Value range (black and white)</source>
   <translation>Wertebereich (Schwarz und Weiß)</translation>
  </message>
  <message>
   <source>Value range in numbers (LO,HI)</source>
   <translation>Wertebereich in Zahlen (UNTEN,OBEN)</translation>
  </message>
  <message>
   <source>Version</source>
   <translation>Version</translation>
  </message>
  <message>
   <source>What a raster's file states, which of its bands would be dehazed and between which stored values, or why the raster would be refused ({flag}). Nothing is written but the description.</source>
   <translation>Was die Datei eines Rasters angibt, in welchen Kanälen und zwischen welchen gespeicherten Werten Dunst entfernt würde, oder warum das Raster abgelehnt würde ({flag}). Geschrieben wird nur die Beschreibung.</translation>
  </message>
  <message>
   <source>What is removed</source>
   <translation>Was entfernt wird</translation>
  </message>
  <message>
   <source>What the network removes: noise or haze [default: noise; with --model, what that model is for]. Values: denoise, dehaze</source>
   <translation>Was das Netz entfernt: Rauschen oder Dunst [Vorgabe: Rauschen; mit --model das, wofür das Modell da ist]. Werte: denoise, dehaze</translation>
  </message>
  <message>
   <source>Wheel to install</source>
   <translation>Zu installierendes Wheel</translation>
  </message>
  <message>
   <source>Whether it restores rasters</source>
   <translation>Ob es Raster bearbeitet</translation>
  </message>
  <message>
   <source>Whether it would be restored</source>
   <translation>Ob es bearbeitet würde</translation>
  </message>
  <message>
   <source>Whether they are equal</source>
   <translation>Ob sie gleich sind</translation>
  </message>
  <message>
   <source>Whole paths in the report</source>
   <translation>Ganze Pfade im Bericht</translation>
  </message>
  <message>
   <source>Why it would be refused</source>
   <translation>Warum es abgelehnt würde</translation>
  </message>
  <message>
   <source>With your consent, pip installs the wheel and what it needs (about 150 MB) into a new environment in the plugin's own folder, {folder}. Each file must have the hash that this plugin or you name. QGIS's Python is not changed; to remove everything, delete that folder.</source>
   <translation>Mit Ihrer Zustimmung installiert pip das Wheel und was es braucht (etwa 150 MB) in eine neue Umgebung im Ordner des Plugins, {folder}. Jede Datei muss die Prüfsumme haben, die dieses Plugin oder Sie nennen. Das Python von QGIS wird nicht verändert; um alles zu entfernen, löschen Sie diesen Ordner.</translation>
  </message>
  <message>
   <source>Would be refused</source>
   <translation>Würde abgelehnt</translation>
  </message>
  <message>
   <source>Would restore the bands</source>
   <translation>Würde die Kanäle bearbeiten</translation>
  </message>
  <message>
   <source>Write a JSON report of the run to this file</source>
   <translation>Einen Bericht des Laufs als JSON in diese Datei schreiben</translation>
  </message>
  <message>
   <source>Write a STAC item next to each result: OUT.stac.json</source>
   <translation>Ein STAC-Item neben jedes Ergebnis schreiben: OUT.stac.json</translation>
  </message>
  <message>
   <source>Write an HTML page next to each result: before and after under a slider, the difference, the footprint</source>
   <translation>Eine HTML-Seite neben jedes Ergebnis schreiben: vorher und nachher unter einem Schieber, die Differenz, die Lage</translation>
  </message>
  <message>
   <source>Write what changed to this GeoTIFF: restored minus stored values of each restored band; one scene only</source>
   <translation>Die Änderung in dieses GeoTIFF schreiben: Ergebnis minus gespeicherte Werte jedes bearbeiteten Kanals; nur bei einer Szene</translation>
  </message>
  <message>
   <source>Write whole paths, instead of the names of files alone, into --report</source>
   <translation>Ganze Pfade statt nur der Dateinamen in den Bericht (--report) schreiben</translation>
  </message>
  <message>
   <source>a layer of the provider '{provider}'</source>
   <translation>ein Layer des Datenanbieters „{provider}“</translation>
  </message>
  <message>
   <source>a raster in a PostgreSQL database</source>
   <translation>ein Raster in einer PostgreSQL-Datenbank</translation>
  </message>
  <message>
   <source>a tile service (XYZ)</source>
   <translation>ein Kacheldienst (XYZ)</translation>
  </message>
  <message>
   <source>a virtual raster that QGIS computes</source>
   <translation>ein virtuelles Raster, das QGIS berechnet</translation>
  </message>
  <message>
   <source>a web coverage service (WCS)</source>
   <translation>ein Web-Coverage-Dienst (WCS)</translation>
  </message>
  <message>
   <source>a web map service (WMS, WMTS)</source>
   <translation>ein Kartendienst (WMS, WMTS)</translation>
  </message>
  <message>
   <source>an ArcGIS map service</source>
   <translation>ein ArcGIS-Kartendienst</translation>
  </message>
  <message>
   <source>artir described the raster in a form that this plugin does not know.</source>
   <translation>artir beschreibt das Raster in einer Form, die dieses Plugin nicht kennt.</translation>
  </message>
  <message>
   <source>artir ended with exit code {code} and no message.</source>
   <translation>artir endete mit dem Rückgabewert {code} und ohne Meldung.</translation>
  </message>
  <message>
   <source>artir was ended by signal {number}.</source>
   <translation>artir wurde durch Signal {number} beendet.</translation>
  </message>
  <message>
   <source>auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N, where N is the number of the GPU. Default: auto</source>
   <translation>auto, cpu, cuda, cuda:N, tensorrt oder tensorrt:N; N ist die Nummer der Grafikkarte. Vorgabe: auto</translation>
  </message>
  <message>
   <source>brighter</source>
   <translation>heller</translation>
  </message>
  <message>
   <source>darker</source>
   <translation>dunkler</translation>
  </message>
  <message>
   <source>dehaze,haze,thin cloud,mist,smoke,quick look,extent</source>
   <translation>Dunst,Dunst entfernen,Schleier,dünne Wolken,Nebel,Rauch,Schnellansicht,Ausdehnung</translation>
  </message>
  <message>
   <source>difference,equal,identical,check,metadata,pixels</source>
   <translation>Unterschied,gleich,identisch,prüfen,Metadaten,Pixel</translation>
  </message>
  <message>
   <source>f32, or fast: bfloat16 products with f32 sums where the processor has them. Default: f32</source>
   <translation>f32, oder fast: Produkte in bfloat16 mit Summen in f32, wo der Prozessor sie hat. Vorgabe: f32</translation>
  </message>
  <message>
   <source>haze,thin cloud,mist,smoke,atmosphere,satellite,aerial,restoration,neural network</source>
   <translation>Dunst,Dunst entfernen,Schleier,dünne Wolken,Nebel,Rauch,Atmosphäre,Satellit,Luftbild,neuronales Netz</translation>
  </message>
  <message>
   <source>haze,thin cloud,satellite,Sentinel-2,Landsat,Pleiades,SPOT,SAFE,restoration</source>
   <translation>Dunst,Dunst entfernen,Schleier,dünne Wolken,Satellit,Sentinel-2,Landsat,Pleiades,SPOT,SAFE</translation>
  </message>
  <message>
   <source>metadata,properties,information,inspect,bands,haze</source>
   <translation>Metadaten,Eigenschaften,Informationen,Kanäle,Dunst</translation>
  </message>
  <message>
   <source>nodata {value}</source>
   <translation>nodata {value}</translation>
  </message>
  <message>
   <source>photo,images,haze,noise,denoise,dehaze,PNG,JPEG,folder</source>
   <translation>Foto,Bilder,Dunst,Rauschen,entrauschen,PNG,JPEG,Ordner</translation>
  </message>
  <message>
   <source>quality,accuracy,error,difference,image quality</source>
   <translation>Qualität,Genauigkeit,Fehler,Unterschied,Bildqualität</translation>
  </message>
  <message>
   <source>scale {scale}, offset {offset}</source>
   <translation>Skalierung {scale}, Versatz {offset}</translation>
  </message>
  <message>
   <source>setup,settings,program,path,configure,version,doctor</source>
   <translation>Einrichtung,Einstellungen,Programm,Pfad,Version,installieren</translation>
  </message>
  <message>
   <source>unchanged</source>
   <translation>unverändert</translation>
  </message>
  <message>
   <source>{flag} is '{label}' here.</source>
   <translation>{flag} heißt hier „{label}“.</translation>
  </message>
  <message>
   <source>{folder} holds no PNG, JPEG or TIFF file.</source>
   <translation>{folder} enthält keine PNG-, JPEG- oder TIFF-Datei.</translation>
  </message>
  <message>
   <source>{name} has {count} bands, and no band {band}.</source>
   <translation>{name} hat {count} Kanäle und keinen Kanal {band}.</translation>
  </message>
  <message>
   <source>{name}, change</source>
   <translation>{name}, Änderung</translation>
  </message>
  <message>
   <source>{n} h</source>
   <translation>{n} h</translation>
  </message>
  <message>
   <source>{n} min</source>
   <translation>{n} min</translation>
  </message>
  <message>
   <source>{n} s</source>
   <translation>{n} s</translation>
  </message>
  <message>
   <source>{path} cannot be started: {reason}</source>
   <translation>{path} lässt sich nicht starten: {reason}</translation>
  </message>
  <message>
   <source>{path} is artir {version}, and this plugin needs {minimum} or later.</source>
   <translation>{path} ist artir {version}; dieses Plugin braucht {minimum} oder neuer.</translation>
  </message>
  <message>
   <source>{path} is not artir: it does not answer --version.</source>
   <translation>{path} ist nicht artir: es antwortet nicht auf --version.</translation>
  </message>
  <message>
   <source>{path} was built without scenes.</source>
   <translation>{path} wurde ohne Szenen gebaut.</translation>
  </message>
  <message>
   <source>{preview}, estimated range</source>
   <translation>{preview}, geschätzter Wertebereich</translation>
  </message>
  <message>
   <source>{python} has no pip (in Debian: apt install python3-pip). Nothing was installed.</source>
   <translation>{python} hat kein pip (unter Debian: apt install python3-pip). Nichts wurde installiert.</translation>
  </message>
  <message>
   <source>{source} dehazed ({model})</source>
   <translation>{source} ohne Dunst ({model})</translation>
  </message>
  <message>
   <source>{source} dehazed ({model}, strength {strength})</source>
   <translation>{source} ohne Dunst ({model}, Stärke {strength})</translation>
  </message>
  <message>
   <source>{wheel} does not have this SHA-256: it was not installed.</source>
   <translation>{wheel} hat nicht diese SHA-256: es wurde nicht installiert.</translation>
  </message>
 </context>
</TS>
