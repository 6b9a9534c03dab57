// Connects to HOST PORT and prints one line for each message that OpenIGTLink's own library unpacks, COUNT of them.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>

#include "igtlClientSocket.h"
#include "igtlImageMessage.h"
#include "igtlMessageHeader.h"
#include "igtlPolyDataMessage.h"
#include "igtlStatusMessage.h"
#include "igtlStringMessage.h"
#include "igtlTimeStamp.h"

template <class T>
typename T::Pointer body(igtl::MessageHeader *header, igtl::ClientSocket *socket) {
  typename T::Pointer message = T::New();
  message->SetMessageHeader(header);
  message->AllocatePack();
  socket->Receive(message->GetPackBodyPointer(), message->GetPackBodySize());
  if (!(message->Unpack(1) & igtl::MessageHeader::UNPACK_BODY)) {  // 1: the checksum is checked
    std::printf("BAD %s\n", header->GetDeviceType());
    std::exit(1);
  }
  return message;
}

int main(int, char **arguments) {
  igtl::ClientSocket::Pointer socket = igtl::ClientSocket::New();
  if (socket->ConnectToServer(arguments[1], std::atoi(arguments[2])) != 0) return 2;
  for (int left = std::atoi(arguments[3]); left > 0; --left) {
    igtl::MessageHeader::Pointer header = igtl::MessageHeader::New();
    header->InitPack();
    if (socket->Receive(header->GetPackPointer(), header->GetPackSize()) != header->GetPackSize()) return 3;
    header->Unpack();
    igtl::TimeStamp::Pointer time = igtl::TimeStamp::New();
    header->GetTimeStamp(time);
    const char *type = header->GetDeviceType();
    std::printf("%s\t%s\t%.6f\t", type, header->GetDeviceName(), time->GetTimeStamp());
    if (!std::strcmp(type, "STRING")) {
      std::printf("%s\n", body<igtl::StringMessage>(header, socket)->GetString());
    } else if (!std::strcmp(type, "STATUS")) {
      igtl::StatusMessage::Pointer status = body<igtl::StatusMessage>(header, socket);
      std::printf("%d\t%s\t%s\n", status->GetCode(), status->GetErrorName(), status->GetStatusString());
    } else if (!std::strcmp(type, "IMAGE")) {
      igtl::ImageMessage::Pointer image = body<igtl::ImageMessage>(header, socket);
      int size[3];
      image->GetDimensions(size);
      igtl::Matrix4x4 m;
      image->GetMatrix(m);
      float spacing[3];
      image->GetSpacing(spacing);
      long inside = 0;
      const unsigned char *pixels = static_cast<const unsigned char *>(image->GetScalarPointer());
      for (long i = 0; i < long(size[0]) * size[1] * size[2]; ++i) inside += pixels[i] == 255;
      std::printf("%d %d %d\t%.6f %.6f\t%ld\n", size[0], size[1], size[2], spacing[0], spacing[1], inside);
    } else if (!std::strcmp(type, "POLYDATA")) {
      igtl::PolyDataMessage::Pointer data = body<igtl::PolyDataMessage>(header, socket);
      igtl::PolyDataCellArray::Pointer lines = data->GetLines();
      igtl::PolyDataPointArray::Pointer points = data->GetPoints();
      for (unsigned cell = 0; lines.IsNotNull() && cell < lines->GetNumberOfCells(); ++cell) {
        std::list<igtlUint32> line;
        lines->GetCell(cell, line);
        for (igtlUint32 index : line) {
          igtlFloat32 p[3];
          points->GetPoint(index, p);
          std::printf("%.5f,%.5f,%.5f ", p[0], p[1], p[2]);
        }
      }
      std::printf("\n");
    } else {
      socket->Skip(header->GetBodySizeToRead(), 0);
      std::printf("\n");
    }
    std::fflush(stdout);
  }
  return 0;
}
